"""What a simulation found, for people and for programs."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from watchkeeper.cli.terminal import say, say_json
from watchkeeper.simulate.judgement import Summary, Verdict
from watchkeeper.simulate.network import Traffic

WORST = 10
_MILLISECOND = timedelta(milliseconds=1)
_HEAD = (
    f"{'child':<36} {'grace':>5} {'watched':>9} {'charged':>9} {'forgiven':>9} "
    f"{'difference':>10}  {'allowed':<20} verdict"
)


@dataclass(frozen=True, slots=True)
class Run:
    """What was simulated, and what it took."""

    viewers: int
    speed: float
    seed: int
    lasted: timedelta
    processor: timedelta
    happened: Counter[str]
    traffic: Traffic

    @property
    def processor_share(self) -> float:
        """How much of one core the simulator itself used."""
        return self.processor / self.lasted if self.lasted else 0.0


def say_report(run: Run, summary: Summary) -> None:
    """The summary, and the children that are worst off."""
    seconds = run.lasted.total_seconds()
    say(
        f"{run.viewers:,} children played for {seconds:.0f} s at {run.speed:g} times the pace of "
        f"life, seed {run.seed}, {run.processor_share:.0%} of one core."
    )
    say(f"Happenings: {_counts(run.happened)}.")
    say(f"Requests on their way: {_counts(run.traffic.fates)}.")
    say(f"Deliveries answered: {_counts(run.traffic.statuses)}.")
    say("")
    worst = summary.worst(WORST)
    if len(worst) < len(summary.verdicts):
        say(f"The {len(worst)} children with the largest differences, in seconds:")
    say(_HEAD)
    for verdict in worst:
        say(_line(verdict))
    say("")
    say(
        f"All {len(summary.verdicts):,}: watched {_seconds(summary.watched)} s, charged "
        f"{_seconds(summary.charged)} s, forgiven {_seconds(summary.forgiven)} s, difference "
        f"{_signed(summary.charged - summary.watched)} s."
    )
    say(
        f"Takeovers and restarts charged {_seconds(summary.takeovers.low)} s of it by the rule of "
        f"30 s, and about {_seconds(summary.never_reported)} s were watched and never reported."
    )
    widths = summary.widths
    say(
        f"Within their bounds: {summary.within:,} of {len(summary.verdicts):,}; furthest beyond "
        f"them: {_seconds(summary.furthest_beyond)} s. The bounds leave open "
        f"{_seconds(widths[len(widths) // 2])} s for the median child and "
        f"{_seconds(widths[-1])} s at most."
    )


def say_document(run: Run, summary: Summary) -> None:
    """Everything, as one JSON document; times in milliseconds."""
    say_json(
        {
            "is_fair": summary.is_fair,
            "viewers": run.viewers,
            "speed": run.speed,
            "seed": run.seed,
            "lasted_ms": run.lasted // _MILLISECOND,
            "processor_ms": run.processor // _MILLISECOND,
            "happenings": dict(run.happened),
            "requests": dict(run.traffic.fates),
            "deliveries": dict(run.traffic.statuses),
            "within": summary.within,
            "watched_ms": summary.watched // _MILLISECOND,
            "charged_ms": summary.charged // _MILLISECOND,
            "forgiven_ms": summary.forgiven // _MILLISECOND,
            "takeovers_ms": summary.takeovers.low // _MILLISECOND,
            "never_reported_ms": summary.never_reported // _MILLISECOND,
            "furthest_beyond_ms": summary.furthest_beyond // _MILLISECOND,
            "children": [_entry(verdict) for verdict in summary.verdicts],
        }
    )


def _entry(verdict: Verdict) -> dict[str, Any]:
    return {
        "profile_id": str(verdict.profile_id),
        "grace_seconds": verdict.grace.total_seconds(),
        "watched_ms": verdict.watched // _MILLISECOND,
        "counted_ms": verdict.charges.counted // _MILLISECOND,
        "exempt_ms": verdict.charges.exempt // _MILLISECOND,
        "forgiven_ms": verdict.charges.forgiven // _MILLISECOND,
        "difference_ms": verdict.difference // _MILLISECOND,
        "allowed_from_ms": verdict.allowed.low // _MILLISECOND,
        "allowed_to_ms": verdict.allowed.high // _MILLISECOND,
        "beyond_ms": verdict.beyond // _MILLISECOND,
        "is_within": verdict.is_within,
    }


def _line(verdict: Verdict) -> str:
    allowed = f"{_signed(verdict.allowed.low)} to {_signed(verdict.allowed.high)}"
    judged = "within" if verdict.is_within else f"beyond by {_signed(verdict.beyond)}"
    return (
        f"{verdict.profile_id!s:<36} {verdict.grace.total_seconds():>5.0f} "
        f"{_seconds(verdict.watched):>9} {_seconds(verdict.charged):>9} "
        f"{_seconds(verdict.charges.forgiven):>9} {_signed(verdict.difference):>10}  "
        f"{allowed:<20} {judged}"
    )


def _counts(counts: Counter[Any]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.most_common()) or "none"


def _seconds(amount: timedelta) -> str:
    return f"{amount.total_seconds():,.3f}"


def _signed(amount: timedelta) -> str:
    return f"{amount.total_seconds():+.3f}"
