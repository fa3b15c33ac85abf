"""What the last answer allows, on the player's own clock."""

from dataclasses import dataclass
from datetime import timedelta

from watchkeeper.client.types import Enforcement, HeartbeatAnswer

USUAL_BEAT = timedelta(seconds=30)
USUAL_GRACE = timedelta(seconds=120)
_SHORTEST_BEAT = timedelta(milliseconds=200)
_LONGEST_BEAT = timedelta(minutes=5)
_LONGEST_OVERRUN = timedelta(milliseconds=500)
_ZERO = timedelta(0)
_WARNINGS = {Enforcement.WARNING_15: 15, Enforcement.WARNING_5: 5}


def next_beat_after(answer: HeartbeatAnswer) -> timedelta:
    """How long after the heartbeat was sent the next one is due, kept within reason."""
    if answer.next_beat_ms is None:
        return USUAL_BEAT
    milliseconds = min(max(answer.next_beat_ms, 0), _LONGEST_BEAT // timedelta(milliseconds=1))
    return max(timedelta(milliseconds=milliseconds), _SHORTEST_BEAT)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Until when the player may play without another answer.

    `runs_out_at` is on the scale of PlayCounters.charged, because only charged time uses the
    limit up; None means that no limit is running. `blocks_at` is on the monotonic clock. `overrun`
    is how far past the end the service placed the next heartbeat, so that this heartbeat carries
    the last of the time and is answered `blocked`.
    """

    warning: int | None
    runs_out_at: timedelta | None
    overrun: timedelta
    blocks_at: timedelta | None
    binding: str | None
    grace: timedelta

    @classmethod
    def from_answer(
        cls, answer: HeartbeatAnswer, *, sent_at: timedelta, charged_at: timedelta
    ) -> "Allowance":
        """`sent_at` and `charged_at` are the clock and the counter when the heartbeat was sent."""
        remaining = _running_limit(answer)
        overrun = _ZERO
        if remaining is not None:
            overrun = min(max(next_beat_after(answer) - remaining, _ZERO), _LONGEST_OVERRUN)
        grace = answer.grace_seconds
        return cls(
            warning=_WARNINGS.get(answer.enforcement),
            runs_out_at=None if remaining is None else charged_at + remaining,
            overrun=overrun,
            blocks_at=_blocks_at(answer, sent_at),
            binding=answer.binding,
            grace=USUAL_GRACE if grace is None else timedelta(seconds=max(grace, 0)),
        )

    def is_used_up(self, charged: timedelta, *, is_answered: bool) -> bool:
        """Whether the limit has run out; unanswered players don't get the overrun."""
        left = self.left(charged)
        return left is not None and left + (self.overrun if is_answered else _ZERO) <= _ZERO

    def left(self, charged: timedelta) -> timedelta | None:
        """What is left of the limit; None while no limit is running. May be below zero."""
        return None if self.runs_out_at is None else self.runs_out_at - charged


def _running_limit(answer: HeartbeatAnswer) -> timedelta | None:
    if answer.remaining_minutes is None:
        return None
    return max(timedelta(minutes=answer.remaining_minutes), _ZERO)


def _blocks_at(answer: HeartbeatAnswer, sent_at: timedelta) -> timedelta | None:
    if answer.blocks_at is None or answer.server_time is None:
        return None
    return sent_at + (answer.blocks_at - answer.server_time)
