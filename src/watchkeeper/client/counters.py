"""The cumulative counters of one session."""

from datetime import timedelta

from watchkeeper.client.types import Counters, PlayState

CHARGED_PART_OF_A_PAUSE = timedelta(seconds=300)
_ZERO = timedelta(0)


class PlayCounters:
    """Adds up the wall time spent playing and paused, from one monotonic instant to the next.

    `charged` is the player's own estimate of what the service counts: all of the play, and the
    first 300 s of each pause (03, section 3). It is what remaining time is counted down by.
    """

    def __init__(self, at: timedelta) -> None:
        self.played = _ZERO
        self.paused = _ZERO
        self.charged = _ZERO
        self._at = at
        self._this_pause = _ZERO

    def advance(self, at: timedelta, state: PlayState) -> None:
        """Add the stretch since the last call, all of which was spent in `state`."""
        stretch = max(at - self._at, _ZERO)
        self._at = max(at, self._at)
        if state is PlayState.PLAYING:
            self.played += stretch
            self.charged += stretch
            self._this_pause = _ZERO
        elif state in {PlayState.PAUSED, PlayState.BUFFERING}:
            self.paused += stretch
            self.charged += min(stretch, self.pause_left)
            self._this_pause += stretch

    @property
    def pause_left(self) -> timedelta:
        """What the service still charges of the present pause."""
        return max(CHARGED_PART_OF_A_PAUSE - self._this_pause, _ZERO)

    def is_charging(self, state: PlayState) -> bool:
        """Whether time spent in `state` is being charged now."""
        if state is PlayState.PLAYING:
            return True
        return state in {PlayState.PAUSED, PlayState.BUFFERING} and self.pause_left > _ZERO

    def reading(self, seq: int) -> Counters:
        """The counters as they go over the wire."""
        millisecond = timedelta(milliseconds=1)
        return Counters(
            seq=seq, played_ms=self.played // millisecond, paused_ms=self.paused // millisecond
        )
