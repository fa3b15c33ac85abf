"""Says when a player should send its next heartbeat.

Source: viewing time, section 5.
"""

from watchkeeper.viewing.rules.allowance import slice_kind
from watchkeeper.viewing.rules.credit import PAUSE_COUNTED_MS
from watchkeeper.viewing.rules.daybook import DayBook
from watchkeeper.viewing.rules.instants import SECOND_MS, to_ms
from watchkeeper.viewing.types import (
    Decision,
    Enforcement,
    PlayState,
    Session,
    SliceKind,
    Viewer,
)

LATEST_BEAT_MS = 33 * SECOND_MS
_EARLIEST_BEAT_MS = 27 * SECOND_MS
_SHARED_EDGE_SPREAD_MS = 20 * SECOND_MS
SHORTEST_BEAT_MS = 500
_AFTER_LIMIT_MS = 100
_AFTER_LIMIT_SPREAD_MS = 300


def next_beat_ms(book: DayBook, session: Session, decision: Decision, jitter: float) -> int:
    """Milliseconds from the sending of this heartbeat to the next one.

    30 s ± 10 %, unless an edge is nearer than 33 s: the child's own limit is met at once, an edge
    that many children share (day reset, end of a window) is followed by a spread of 20 s.
    ``jitter`` in [0, 1) picks the place inside each range.
    """
    usual_ms = _EARLIEST_BEAT_MS + int(jitter * (LATEST_BEAT_MS - _EARLIEST_BEAT_MS))
    if not book.viewer.is_child:
        return usual_ms
    shared_ms = _until_shared_edge_ms(book, decision)
    limit_ms = until_limit_ms(book.viewer, session, decision)
    if limit_ms is not None and limit_ms < LATEST_BEAT_MS and limit_ms <= shared_ms:
        after_ms = _AFTER_LIMIT_MS + int(jitter * _AFTER_LIMIT_SPREAD_MS)
        return max(SHORTEST_BEAT_MS, limit_ms + after_ms)
    if shared_ms < LATEST_BEAT_MS:
        return max(SHORTEST_BEAT_MS, shared_ms + int(jitter * _SHARED_EDGE_SPREAD_MS))
    return usual_ms


def until_limit_ms(viewer: Viewer, session: Session, decision: Decision) -> int | None:
    """Time until the limit is used up if the player goes on as it reported, else None.

    While nothing is being counted (an exempt title, ended, or a pause that won't count long
    enough) the limit is no edge.
    """
    left_ms = decision.allowance_remaining_ms
    if left_ms is None or decision.enforcement is Enforcement.BLOCKED:
        return None
    if slice_kind(session.title_id, viewer) is SliceKind.EXEMPT:
        return None
    if session.state is PlayState.PLAYING:
        return left_ms
    if session.state is PlayState.ENDED:
        return None
    pause_left_ms = PAUSE_COUNTED_MS - session.pause_counted_ms
    return left_ms if left_ms <= pause_left_ms else None


def _until_shared_edge_ms(book: DayBook, decision: Decision) -> int:
    until_reset_ms = book.today_ends - book.now_ms
    if decision.blocks_at is None or decision.enforcement is Enforcement.BLOCKED:
        return until_reset_ms
    return min(until_reset_ms, to_ms(decision.blocks_at) - book.now_ms)
