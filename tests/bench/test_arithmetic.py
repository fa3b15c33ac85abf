"""Percentiles, arrivals, figures and their marks."""

import itertools
import random
from statistics import fmean, pstdev

import pytest
from bench.arrivals import poisson_schedule
from bench.figures import Better, Figure, Verdict, repeat_figures
from bench.latency import LatencySummary, percentile
from bench.results import ScenarioResult, number, render
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1.0), (0.05, 1.0), (0.5, 10.0), (0.95, 19.0), (0.951, 20.0), (1.0, 20.0)],
)
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, 21)], share) == expected


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    st.floats(0.01, 1),
)
def test_percentile_is_the_smallest_value_with_enough_below(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6
    below = [value for value in ordered if value < found]
    assert len(below) < share * len(ordered) + 1e-6


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.95)
    assert LatencySummary.of_seconds([]) is None


def test_summary_turns_seconds_into_milliseconds() -> None:
    summary = LatencySummary.of_seconds([0.004, 0.001, 0.002, 0.003])
    assert summary == LatencySummary(
        count=4, mean_ms=2.5, p50_ms=2.0, p95_ms=4.0, p99_ms=4.0, max_ms=4.0
    )


def test_poisson_arrivals_have_the_rate_and_the_scatter_of_independent_players() -> None:
    schedule = poisson_schedule(200, 100, random.Random(7))
    gaps = [later - earlier for earlier, later in itertools.pairwise(schedule)]
    assert schedule == sorted(schedule)
    assert 0 < schedule[0] < schedule[-1] < 100
    assert len(schedule) == pytest.approx(20_000, rel=0.03)
    # Exponential gaps: the standard deviation equals the mean, and 1 - 1/e of them are shorter.
    middle = fmean(gaps)
    assert pstdev(gaps) == pytest.approx(middle, rel=0.03)
    assert fmean(gap < middle for gap in gaps) == pytest.approx(0.632, abs=0.02)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert poisson_schedule(33, 30, random.Random(1)) == poisson_schedule(33, 30, random.Random(1))
    assert poisson_schedule(33, 30, random.Random(1)) != poisson_schedule(33, 30, random.Random(2))


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0)])
def test_arrivals_need_a_rate_and_a_time(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        poisson_schedule(rate, seconds, random.Random(1))


@pytest.mark.parametrize(
    ("better", "value", "expected"),
    [
        (Better.LOWER, 5, Verdict.AIM),
        (Better.LOWER, 5.1, Verdict.MUST),
        (Better.LOWER, 20, Verdict.MUST),
        (Better.LOWER, 20.1, Verdict.MISSED),
        (Better.HIGHER, 4, Verdict.MISSED),
        (Better.HIGHER, 21, Verdict.AIM),
    ],
)
def test_marks(better: Better, value: float, expected: Verdict) -> None:
    figure = Figure("p95", "p95", value, "ms", must=20, aim=5, better=better)
    (repeated,) = repeat_figures([[figure]])
    assert repeated.verdict is expected


def test_a_figure_without_budget_has_no_mark_and_one_without_aim_can_be_within_must() -> None:
    (plain,) = repeat_figures([[Figure("p50", "p50", 1, "ms")]])
    (errors,) = repeat_figures([[Figure("errors", "errors", 0, "", must=0)]])
    assert plain.verdict is Verdict.INFORMATION
    assert errors.verdict is Verdict.MUST


def test_repeats_are_quoted_by_their_median_with_the_range() -> None:
    runs = [[Figure("a", "a", value, "ms", must=3)] for value in (9.0, 1.0, 2.0)]
    (repeated,) = repeat_figures(runs)
    assert repeated.median == 2.0
    assert repeated.verdict is Verdict.MUST
    assert repeated.as_json()["lowest"] == 1.0
    assert repeated.as_json()["highest"] == 9.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0417, "0.042"), (4.273, "4.27"), (68.34, "68.3"), (5432.1, "5 432"), (3, "3"), (0, "0")],
)
def test_numbers_are_short(value: float, expected: str) -> None:
    assert number(value) == expected


def test_the_table_shows_must_aim_and_measured() -> None:
    figures = repeat_figures([[Figure("p95", "latency p95", 25, "ms", must=20, aim=5)]])
    table = render(ScenarioResult("steady", "33 heartbeats/s", figures))
    assert table.splitlines()[0] == "steady: 33 heartbeats/s"
    assert table.splitlines()[2].split() == ["latency", "p95", "20", "5", "25", "ms", "--"]
    left_out = render(ScenarioResult("start", "First start", skipped="not ours"))
    assert "left out: not ours" in left_out
