"""The past that is written in bulk agrees with itself, as the rules would have left it."""

import itertools
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from bench.watched import current_day_start, make_titles, spread, watched_past

_NOW = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)
_HOUSEHOLD = uuid4()


@pytest.mark.parametrize(("total", "days"), [(5_000, 90), (50, 90), (1, 3), (0, 4), (7, 7)])
def test_spread_loses_nothing_and_is_even(total: int, days: int) -> None:
    sessions = spread(total, days)
    assert len(sessions) == days
    assert sum(sessions) == total
    assert max(sessions) - min(sessions) <= 1


def test_the_viewing_day_begins_at_six() -> None:
    assert current_day_start(_NOW) == datetime(2026, 11, 21, 6, tzinfo=UTC)
    later = _NOW + timedelta(hours=1)
    assert current_day_start(later) == datetime(2026, 11, 22, 6, tzinfo=UTC)


def test_slices_days_and_sessions_agree() -> None:
    titles = make_titles(8, random.Random(1))
    children = [uuid4(), uuid4()]
    past = watched_past(_HOUSEHOLD, children, titles, before=_NOW, sessions_on=[5] * 30)
    assert len(past.days) == 60
    assert len(past.sessions) == len(past.slices) == 300
    assert len({session["id"] for session in past.sessions}) == 300
    by_session: dict[UUID, int] = defaultdict(int)
    by_day: dict[tuple[UUID, datetime, str], int] = defaultdict(int)
    for part in past.slices:
        by_session[part["session_id"]] += part["credited_ms"]
        by_day[part["profile_id"], part["day_starts_at"], part["kind"]] += part["credited_ms"]
    for session in past.sessions:
        assert session["counted_ms"] + session["exempt_ms"] == by_session[session["id"]] > 0
    for day in past.days:
        key = (day["profile_id"], day["starts_at"])
        assert day["counted_ms"] == by_day[*key, "counted"]
        assert day["exempt_ms"] == by_day[*key, "exempt"]
    assert past.credited_ms == sum(by_session.values())


def test_days_join_and_sessions_lie_inside_them_one_after_the_other() -> None:
    titles = make_titles(8, random.Random(1))
    past = watched_past(_HOUSEHOLD, [uuid4()], titles, before=_NOW, sessions_on=spread(5_000, 90))
    days = past.days
    assert all(a["ends_at"] == b["starts_at"] for a, b in itertools.pairwise(days))
    assert days[-1]["ends_at"] == current_day_start(_NOW)
    for before, after in zip(past.slices, past.slices[1:], strict=False):
        assert before["starts_at"] < before["ends_at"] <= after["starts_at"]
    for part in past.slices:
        assert part["day_starts_at"] <= part["starts_at"]
        assert part["ends_at"] <= part["day_starts_at"] + timedelta(days=1)
        assert part["ends_at"] - part["starts_at"] == timedelta(milliseconds=part["credited_ms"])
