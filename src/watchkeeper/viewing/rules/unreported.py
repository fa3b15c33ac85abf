"""Settles the time after the last heartbeat of a session that ends without a word.

Source: viewing time, section 3 (unreported time, silence) and section 4 (takeover).
"""

from dataclasses import dataclass, replace

from watchkeeper.viewing.rules.account import SessionAccount
from watchkeeper.viewing.rules.allowance import slice_kind
from watchkeeper.viewing.rules.credit import UNREPORTED_MARGIN_MS, unreported_limit_ms
from watchkeeper.viewing.rules.daybook import DayBook
from watchkeeper.viewing.rules.instants import SECOND_MS, Span, from_ms, overlaps, to_ms
from watchkeeper.viewing.types import EndReason, Heartbeat, PlayState, Session, SliceWrite

_SHORTEST_SILENCE_MS = 300 * SECOND_MS
_SILENCE_MARGIN_MS = 60 * SECOND_MS
_TAKEOVER_CHARGED_MS = UNREPORTED_MARGIN_MS


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that ended in this settlement and the slices that it left."""

    session: Session
    slices: tuple[SliceWrite, ...]


def grace_ms(book: DayBook) -> int:
    """The profile's grace in milliseconds."""
    return book.viewer.policy.grace_seconds * SECOND_MS


def is_silent(session: Session, book: DayBook) -> bool:
    """Whether so little was heard of an open session that it is over, reaper or not."""
    limit_ms = max(_SHORTEST_SILENCE_MS, grace_ms(book) + _SILENCE_MARGIN_MS)
    return book.now_ms - to_ms(session.last_accepted_at) >= limit_ms


def end_silent(session: Session, book: DayBook) -> EndedSession:
    """End a session that fell silent: all of its unreported time is in doubt."""
    return _end_unreported(session, book, 0, EndReason.SILENT)


def take_over(session: Session, heartbeat: Heartbeat, book: DayBook) -> EndedSession:
    """End a child's open session because ``heartbeat`` starts another one.

    The first 30 s of its unreported time are charged, the rest is in doubt. A session that had
    fallen silent before ends as silent, whether or not the reaper has come by.
    """
    if is_silent(session, book):
        return end_silent(session, book)
    ended = _end_unreported(session, book, _TAKEOVER_CHARGED_MS, EndReason.SUPERSEDED)
    superseded = replace(
        ended.session,
        superseded_by_device_id=heartbeat.device_id,
        superseded_by_device_name=heartbeat.device_name,
    )
    return replace(ended, session=superseded)


def _end_unreported(
    session: Session, book: DayBook, charged_ms: int, reason: EndReason
) -> EndedSession:
    """The session ends with the last credit, which lies against its last accepted heartbeat."""
    account = SessionAccount(session, slice_kind(session.title_id, book.viewer), book)
    last = min(to_ms(session.last_accepted_at), book.now_ms)
    if session.state is PlayState.PLAYING and not session.was_blocked:
        until = min(book.now_ms, last + unreported_limit_ms(grace_ms(book)))
        certain = Span(last, min(until, last + charged_ms))
        account.charge(overlaps(book.permitted, certain))
        doubts = overlaps(book.permitted, Span(certain.end, until))
        account.charge_doubt(doubts, is_against_end=False)
    started = min(to_ms(session.started_at), last)
    settled = account.settled(
        started_at=from_ms(started),
        ended_at=from_ms(max(account.credited_until or last, started)),
        end_reason=reason,
    )
    return EndedSession(settled, account.slice_writes(is_over=True))
