"""How much time a heartbeat may charge, and what that leaves for the next one.

Amounts only: where they lie is decided by ``placement``. Source: viewing time, section 3.
"""

from dataclasses import dataclass, replace

from watchkeeper.viewing.rules.instants import SECOND_MS, Span
from watchkeeper.viewing.types import Counters, PlayState, Session

PLAIN_CREDIT_MS = 90 * SECOND_MS
PAUSE_COUNTED_MS = 300 * SECOND_MS
UNREPORTED_MARGIN_MS = 30 * SECOND_MS
BUCKET_MARGIN_MS = 45 * SECOND_MS

# Less play than this inside a reported pause is the rounding of a player, not the pause's end.
_REAL_PLAY_MS = SECOND_MS
# Clocks and networks jitter: a smaller excess is written off without suspecting the player.
_FLAGGED_EXCESS_MS = SECOND_MS


@dataclass(frozen=True, slots=True)
class Report:
    """What a heartbeat or an end call says about the stretch before it and the one after."""

    stretch: Span
    state: PlayState
    counters: Counters | None
    grace_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Time to charge, lying against ``latest_end`` (milliseconds) or earlier."""

    amount_ms: int
    latest_end: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What a stretch charges and how the session's account of itself stands afterwards.

    ``claims``: latest first. ``doubt``: unreported time of a plain player that the day's
    forgiveness covers first. ``written_off_ms``: reported time that can't have been watched.
    """

    claims: tuple[Claim, ...]
    bucket_ms: int
    pause_counted_ms: int
    counters: Counters
    doubt: Span | None = None
    written_off_ms: int = 0
    is_flagged: bool = False


def unreported_limit_ms(grace_ms: int) -> int:
    """The most that silence after a playing heartbeat can stand for."""
    return grace_ms + UNREPORTED_MARGIN_MS


def bucket_limit_ms(grace_ms: int) -> int:
    """The most wall time that a player with counters may catch up on at once."""
    return max(PLAIN_CREDIT_MS, grace_ms + BUCKET_MARGIN_MS)


def no_credit(session: Session, report: Report) -> Credit:
    """For a stretch that is never charged (after a blocked answer, or with a wrong clock).

    The baselines move and the bucket is emptied, so that nothing of it is charged later.
    """
    is_play = report.state is PlayState.PLAYING
    return Credit(
        claims=(),
        bucket_ms=0,
        pause_counted_ms=0 if is_play else session.pause_counted_ms,
        counters=_baseline(session, report),
    )


def credit_for(session: Session, report: Report) -> Credit:
    """The credit of the stretch before an accepted heartbeat.

    The first heartbeat of a session fixed whether it has counters. Counters that a plain session
    sends are ignored. A heartbeat without counters in a session that has them, and one whose
    ``played_ms`` fell, are treated as plain and take their credit out of the bucket, so that the
    counters of a later heartbeat can't charge the same time again.
    """
    if session.was_blocked or report.stretch.end < report.stretch.start:
        return no_credit(session, report)
    if not session.has_counters:
        return _plain_credit(session, report)
    counters = report.counters
    if counters is None or counters.played_ms < session.played_ms:
        return _plain_credit_from_bucket(session, report)
    return _counted_credit(session, report, counters)


def _baseline(session: Session, report: Report) -> Counters:
    if session.has_counters and report.counters is not None:
        return report.counters
    return Counters(session.seq, session.played_ms, session.paused_ms)


def _plain_credit(session: Session, report: Report) -> Credit:
    """The stretch is what the earlier heartbeat said: play, a pause (buffering too) or nothing.

    Beyond 90 s of play nobody knows; up to the grace + 30 s it is in doubt, like other unreported
    time. Without that, losing the network for the length of the grace would be free each time.
    """
    start, end = report.stretch
    elapsed_ms = end - start
    amount_ms, latest_end, doubt = 0, end, None
    pause_counted_ms = session.pause_counted_ms
    if session.state is PlayState.PLAYING:
        amount_ms = min(elapsed_ms, PLAIN_CREDIT_MS)
        reach_ms = min(elapsed_ms, unreported_limit_ms(report.grace_ms))
        if reach_ms > amount_ms:
            doubt = Span(end - reach_ms, end - amount_ms)
    elif session.state is not PlayState.ENDED:
        amount_ms = min(elapsed_ms, PAUSE_COUNTED_MS - pause_counted_ms)
        latest_end = start + amount_ms
        pause_counted_ms += amount_ms
    return Credit(
        claims=(Claim(amount_ms, latest_end),),
        doubt=doubt,
        bucket_ms=0,
        pause_counted_ms=0 if report.state is PlayState.PLAYING else pause_counted_ms,
        counters=_baseline(session, report),
    )


def _filled_bucket_ms(session: Session, report: Report) -> int:
    elapsed_ms = report.stretch.length_ms
    return min(session.bucket_ms + elapsed_ms, bucket_limit_ms(report.grace_ms))


def _plain_credit_from_bucket(session: Session, report: Report) -> Credit:
    plain = _plain_credit(session, report)
    bucket_ms = _filled_bucket_ms(session, report)
    claim = plain.claims[0]
    amount_ms = min(claim.amount_ms, bucket_ms)
    bucket_ms -= amount_ms
    doubt = plain.doubt
    if doubt is not None:
        # Forgiven time leaves the bucket too: otherwise the next counters would charge it.
        doubt = Span(max(doubt.start, doubt.end - bucket_ms), doubt.end)
        bucket_ms -= doubt.length_ms
    return replace(
        plain, claims=(replace(claim, amount_ms=amount_ms),), doubt=doubt, bucket_ms=bucket_ms
    )


def _counted_credit(session: Session, report: Report, counters: Counters) -> Credit:
    """Play and pause are what the counters gained, as far as the bucket of wall time allows."""
    bucket_ms = _filled_bucket_ms(session, report)
    played_ms = counters.played_ms - session.played_ms
    paused_ms = max(0, counters.paused_ms - session.paused_ms)
    play_credit_ms = min(played_ms, bucket_ms)
    pause_due_ms = min(paused_ms, PAUSE_COUNTED_MS - session.pause_counted_ms)
    pause_credit_ms = min(pause_due_ms, bucket_ms - play_credit_ms)
    excess_ms = played_ms - play_credit_ms
    claims = _claims_in_order(session, report, play_credit_ms, pause_credit_ms, paused_ms)
    return Credit(
        claims=claims,
        bucket_ms=bucket_ms - play_credit_ms - pause_credit_ms,
        pause_counted_ms=_pause_after(session, report, played_ms, pause_due_ms),
        counters=counters,
        written_off_ms=excess_ms + pause_due_ms - pause_credit_ms,
        is_flagged=excess_ms > _FLAGGED_EXCESS_MS,
    )


def _pause_after(session: Session, report: Report, played_ms: int, pause_due_ms: int) -> int:
    """How much of the present pause's 300 s has gone; 0 when play was reported.

    If play interrupted a pause that goes on, how much of it is new can't be known: it starts anew.
    """
    if report.state is PlayState.PLAYING:
        return 0
    was_playing = session.state is PlayState.PLAYING
    if not was_playing and played_ms >= _REAL_PLAY_MS:
        return 0
    return session.pause_counted_ms + pause_due_ms


def _claims_in_order(
    session: Session, report: Report, play_ms: int, pause_ms: int, paused_ms: int
) -> tuple[Claim, ...]:
    """Lays play and pause one after the other, the uncounted rest of a pause behind its count.

    Play came first if the stretch began with it, else the pause did. The uncounted rest shrinks
    to what fits, so that it can't push credit out of the stretch.
    """
    end = report.stretch.end
    room_ms = report.stretch.length_ms - play_ms - pause_ms
    uncounted_ms = max(0, min(paused_ms - pause_ms, room_ms))
    if session.state is PlayState.PLAYING:
        pause_end = end - uncounted_ms
        return (Claim(pause_ms, pause_end), Claim(play_ms, pause_end - pause_ms))
    return (Claim(play_ms, end), Claim(pause_ms, end - play_ms - uncounted_ms))
