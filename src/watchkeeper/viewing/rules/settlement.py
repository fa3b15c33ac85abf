"""Turns a call on a session into an answer and into what must be stored.

Charge first, then decide: the heartbeat that crosses zero is charged.
Source: viewing time, sections 3 to 5.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from watchkeeper.viewing.rules.account import SessionAccount
from watchkeeper.viewing.rules.allowance import slice_kind
from watchkeeper.viewing.rules.cadence import LATEST_BEAT_MS, SHORTEST_BEAT_MS, next_beat_ms
from watchkeeper.viewing.rules.credit import Credit, Report, credit_for
from watchkeeper.viewing.rules.daybook import DayBook
from watchkeeper.viewing.rules.decision import decide_in
from watchkeeper.viewing.rules.instants import Span, from_ms, overlaps, subtract_spans, to_ms
from watchkeeper.viewing.rules.placement import place_claims
from watchkeeper.viewing.rules.unreported import (
    EndedSession,
    end_silent,
    grace_ms,
    is_silent,
    take_over,
)
from watchkeeper.viewing.types import (
    Binding,
    Counters,
    Decision,
    DecisionEntry,
    EndReason,
    Enforcement,
    Heartbeat,
    Outcome,
    PlayState,
    Session,
    Settlement,
    SliceKind,
    Viewer,
)


def settle(viewer: Viewer, heartbeat: Heartbeat, now: datetime, jitter: float) -> Settlement:
    """Charge what a heartbeat reports, then decide what its player may do.

    ``now`` is the service's time, ``jitter`` in [0, 1) the only chance in it: it spreads the next
    heartbeat. Never raises for what a player sends: refusals are outcomes without decision.
    A session that fell silent is closed by the heartbeat that comes too late, so the answer
    doesn't depend on when the reaper runs. Source: viewing time, sections 3 to 5.
    """
    book = DayBook(viewer, to_ms(now))
    named = viewer.named
    if named is None:
        if heartbeat.session_id is not None:
            return _refuse(book, Outcome.SESSION_UNKNOWN, None)
        return _start(book, heartbeat, jitter)
    if named.device_id != heartbeat.device_id:
        return _refuse(book, Outcome.DEVICE_CONFLICT, named)
    if not named.is_open:
        return _refuse(book, _outcome_of_ended(named), named)
    if is_silent(named, book):
        ended = end_silent(named, book)
        return _close(book, Outcome.SESSION_ENDED, ended.session, (ended,))
    if _is_repeated(named, heartbeat):
        return _repeat(book, named, heartbeat, jitter)
    return _accept(book, named, heartbeat, jitter)


def settle_end(
    viewer: Viewer, session_id: UUID, counters: Counters | None, now: datetime
) -> Settlement:
    """End a session because its player says so and credit the tail by the rules of a heartbeat.

    May be repeated: a session that is over answers CLOSED with what it was credited, and nothing
    is stored. Counters that didn't rise since the last heartbeat don't make the tail free: it is
    then treated as plain. ``viewer.named`` is the session ``session_id``.
    """
    book = DayBook(viewer, to_ms(now))
    session = viewer.named
    if session is None or session.id != session_id:
        return _refuse(book, Outcome.SESSION_UNKNOWN, None)
    if not session.is_open:
        return _refuse(book, Outcome.CLOSED, session)
    if is_silent(session, book):
        ended = end_silent(session, book)
        return _close(book, Outcome.CLOSED, ended.session, (ended,))
    if counters is not None and counters.seq <= session.seq:
        counters = None
    account, credit = _credit_stretch(book, session, PlayState.ENDED, counters)
    settled = _settled(
        book,
        session,
        account,
        credit,
        state=PlayState.ENDED,
        ended_at=from_ms(book.now_ms),
        end_reason=EndReason.ENDED,
    )
    ended = EndedSession(settled, account.slice_writes(is_over=True))
    result = _close(book, Outcome.CLOSED, settled, (ended,))
    return replace(result, credited_ms=account.credited_ms)


def settle_silence(viewer: Viewer, now: datetime) -> Settlement:
    """Close the open sessions of which nothing was heard for max(300 s, grace + 60 s).

    Each ends at its last accepted heartbeat plus what was charged. Sessions that still talk are
    left alone; when there is nothing to close, nothing is stored.
    """
    book = DayBook(viewer, to_ms(now))
    ended = tuple(
        end_silent(session, book)
        for session in viewer.sessions
        if session.is_open and is_silent(session, book)
    )
    if not ended:
        return _refuse(book, Outcome.CLOSED, None)
    return _close(book, Outcome.CLOSED, None, ended)


def _refuse(book: DayBook, outcome: Outcome, session: Session | None) -> Settlement:
    grace_seconds = book.viewer.policy.grace_seconds
    return Settlement(outcome=outcome, session=session, grace_seconds=grace_seconds)


def _outcome_of_ended(session: Session) -> Outcome:
    if session.end_reason is EndReason.SUPERSEDED:
        return Outcome.SESSION_SUPERSEDED
    return Outcome.SESSION_ENDED


def _close(
    book: DayBook, outcome: Outcome, session: Session | None, ended: tuple[EndedSession, ...]
) -> Settlement:
    return Settlement(
        outcome=outcome,
        session=session,
        grace_seconds=book.viewer.policy.grace_seconds,
        days=book.changed_days(),
        changed_sessions=tuple(one.session for one in ended),
        slices=tuple(write for one in ended for write in one.slices),
    )


def _is_repeated(session: Session, heartbeat: Heartbeat) -> bool:
    """Whether a heartbeat is late, sent twice, or a retry of the one that started the session.

    A first heartbeat whose counters have risen since is a player that never got its session's id:
    what it reports is charged.
    """
    if session.has_counters and heartbeat.counters is not None:
        return heartbeat.counters.seq <= session.seq
    return heartbeat.session_id is None


def _repeat(book: DayBook, session: Session, heartbeat: Heartbeat, jitter: float) -> Settlement:
    """Answer a duplicate with the current decision; nothing is charged or stored.

    A player that only repeats itself is told that its session is over once nothing new came for
    grace + 33 s, and is asked back by then at the latest.
    """
    quiet_ms = book.now_ms - to_ms(session.last_accepted_at)
    patience_ms = grace_ms(book) + LATEST_BEAT_MS - quiet_ms
    if patience_ms <= 0:
        return _refuse(book, Outcome.SESSION_ENDED, session)
    decision = decide_in(book, is_exempt=_is_exempt(session, book))
    beat_ms = min(next_beat_ms(book, session, decision, jitter), max(SHORTEST_BEAT_MS, patience_ms))
    is_start = heartbeat.session_id is None
    return Settlement(
        outcome=Outcome.START_REPEATED if is_start else Outcome.DUPLICATE,
        session=session,
        decision=decision,
        next_beat_ms=beat_ms,
        ack_seq=session.seq if session.has_counters else None,
        grace_seconds=book.viewer.policy.grace_seconds,
    )


def _is_exempt(session: Session, book: DayBook) -> bool:
    return slice_kind(session.title_id, book.viewer) is SliceKind.EXEMPT


def _credit_stretch(
    book: DayBook, session: Session, state: PlayState, counters: Counters | None
) -> tuple[SessionAccount, Credit]:
    """Charge the stretch since the last accepted heartbeat to the title that it named."""
    stretch = Span(to_ms(session.last_accepted_at), book.now_ms)
    credit = credit_for(session, Report(stretch, state, counters, grace_ms(book)))
    account = SessionAccount(session, slice_kind(session.title_id, book.viewer), book)
    placed = place_claims(credit.claims, stretch, book.permitted)
    if credit.doubt is not None:
        # Where closed hours pushed the claims back, nothing is in doubt any more.
        doubts = subtract_spans(overlaps(book.permitted, credit.doubt), placed)
        account.charge_doubt(doubts, is_against_end=True)
    account.charge(placed)
    account.write_off(credit.written_off_ms)
    return account, credit


def _settled(
    book: DayBook,
    session: Session,
    account: SessionAccount,
    credit: Credit,
    **changes: Any,
) -> Session:
    """The session after a stretch; ``changes`` are what the call itself said."""
    now = from_ms(book.now_ms)
    return account.settled(
        started_at=min(session.started_at, now),
        last_accepted_at=now,
        seq=credit.counters.seq,
        played_ms=credit.counters.played_ms,
        paused_ms=credit.counters.paused_ms,
        bucket_ms=credit.bucket_ms,
        pause_counted_ms=credit.pause_counted_ms,
        is_flagged=session.is_flagged or credit.is_flagged,
        **changes,
    )


def _accept(book: DayBook, session: Session, heartbeat: Heartbeat, jitter: float) -> Settlement:
    account, credit = _credit_stretch(book, session, heartbeat.state, heartbeat.counters)
    settled = _settled(
        book,
        session,
        account,
        credit,
        state=heartbeat.state,
        title_id=heartbeat.title_id,
        device_name=heartbeat.device_name or session.device_name,
    )
    known = (session.last_enforcement, session.last_reason)
    settled, decision, entry = _decide_for(book, settled, known)
    return Settlement(
        outcome=Outcome.ACCEPTED,
        session=settled,
        decision=decision,
        next_beat_ms=next_beat_ms(book, settled, decision, jitter),
        ack_seq=settled.seq if settled.has_counters else None,
        grace_seconds=book.viewer.policy.grace_seconds,
        credited_ms=account.credited_ms,
        days=book.changed_days(),
        changed_sessions=(settled,),
        slices=account.slice_writes(is_over=False),
        decision_entry=entry,
    )


def _start(book: DayBook, heartbeat: Heartbeat, jitter: float) -> Settlement:
    """Begin a session; a child's open one is settled and ends, also on the same device.

    The first heartbeat credits nothing and sets the baselines. Adults may play on many devices,
    so that nothing of theirs is taken over.
    """
    ended: tuple[EndedSession, ...] = ()
    if book.viewer.is_child:
        open_sessions = [session for session in book.viewer.sessions if session.is_open]
        ended = tuple(take_over(session, heartbeat, book) for session in open_sessions)
    superseded = tuple(
        one.session for one in ended if one.session.end_reason is EndReason.SUPERSEDED
    )
    session, decision, entry = _decide_for(
        book, _new_session(book, heartbeat), _last_answer(superseded, heartbeat)
    )
    return Settlement(
        outcome=Outcome.STARTED,
        session=session,
        decision=decision,
        next_beat_ms=next_beat_ms(book, session, decision, jitter),
        ack_seq=session.seq if session.has_counters else None,
        grace_seconds=book.viewer.policy.grace_seconds,
        days=book.changed_days(),
        changed_sessions=tuple(one.session for one in ended),
        new_session=session,
        slices=tuple(write for one in ended for write in one.slices),
        superseded=superseded,
        decision_entry=entry,
    )


def _new_session(book: DayBook, heartbeat: Heartbeat) -> Session:
    counters = heartbeat.counters or Counters(seq=0, played_ms=0, paused_ms=0)
    now = from_ms(book.now_ms)
    return Session(
        id=heartbeat.new_session_id,
        device_id=heartbeat.device_id,
        device_type=heartbeat.device_type,
        device_name=heartbeat.device_name,
        start_key=heartbeat.start_key,
        title_id=heartbeat.title_id,
        started_at=now,
        last_accepted_at=now,
        state=heartbeat.state,
        has_counters=heartbeat.counters is not None,
        seq=counters.seq,
        played_ms=counters.played_ms,
        paused_ms=counters.paused_ms,
    )


def _last_answer(
    superseded: tuple[Session, ...], heartbeat: Heartbeat
) -> tuple[Enforcement | None, Binding | None]:
    """What this device was told last, if it takes over from itself (a reload is no change)."""
    for session in superseded:
        if session.device_id == heartbeat.device_id:
            return session.last_enforcement, session.last_reason
    return None, None


def _decide_for(
    book: DayBook, session: Session, known: tuple[Enforcement | None, Binding | None]
) -> tuple[Session, Decision, DecisionEntry | None]:
    """Decide for the title that plays from now on, and note the answer if it isn't ``known``.

    A blocked answer empties the bucket: blocked time can't be claimed later.
    """
    decision = decide_in(book, is_exempt=_is_exempt(session, book))
    answer = (decision.enforcement, decision.reason)
    is_blocked = decision.enforcement is Enforcement.BLOCKED
    if is_blocked or answer != (session.last_enforcement, session.last_reason):
        session = replace(
            session,
            was_blocked=is_blocked,
            bucket_ms=0 if is_blocked else session.bucket_ms,
            last_enforcement=decision.enforcement,
            last_reason=decision.reason,
        )
    entry = None
    if book.viewer.is_child and known != answer:
        entry = DecisionEntry(
            decided_at=from_ms(book.now_ms),
            session_id=session.id,
            device_id=session.device_id,
            enforcement=decision.enforcement,
            reason=decision.reason,
            remaining_ms=decision.remaining_ms,
        )
    return session, decision, entry
