"""The truth: how long a simulated player really played, by the wall clock."""

from datetime import timedelta

from watchkeeper.client import PlayState

COUNTED_PART_OF_A_PAUSE = timedelta(seconds=300)
_ZERO = timedelta(0)


class Stopwatch:
    """Adds up play, and of each pause the part that the rules count (03, section 3).

    It knows nothing of counters, requests and answers: it is told what the picture does, and when.
    """

    def __init__(self) -> None:
        self.watched = _ZERO
        self._doing = PlayState.ENDED
        self._since = _ZERO
        self._this_pause = _ZERO

    @property
    def is_playing(self) -> bool:
        """Whether the picture moves at the moment."""
        return self._doing is PlayState.PLAYING

    def turn_to(self, doing: PlayState, at: timedelta) -> None:
        """Count what was done up to `at`; from then on it is `doing`."""
        stretch = max(at - self._since, _ZERO)
        self._since = max(at, self._since)
        if self._doing is PlayState.PLAYING:
            self.watched += stretch
            self._this_pause = _ZERO
        elif self._doing is not PlayState.ENDED:
            self.watched += min(stretch, COUNTED_PART_OF_A_PAUSE - self._this_pause)
            self._this_pause = min(self._this_pause + stretch, COUNTED_PART_OF_A_PAUSE)
        self._doing = doing
