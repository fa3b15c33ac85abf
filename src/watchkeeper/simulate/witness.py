"""A player's session that is watched: every request is stamped with what the stopwatch says."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from watchkeeper.client import Outcome, Player, PlayerSession, PlayState
from watchkeeper.client.requests import EndRequest, Request
from watchkeeper.simulate.evidence import Call, Evidence, RequestKey, Stamp
from watchkeeper.simulate.stopwatch import Stopwatch


class WitnessedSession(PlayerSession):
    """The client's session, whose picture obeys at once and is timed while it does."""

    def __init__(
        self,
        player: Player,
        evidence: Evidence,
        sessions: dict[str, str],
        *,
        draw: Callable[[], float],
        new_key: Callable[[], str],
    ) -> None:
        """`sessions` gets the start key of every session id, for the network's notes."""
        super().__init__(player, draw=draw, new_key=new_key)
        self.stopwatch = Stopwatch()
        self._evidence = evidence
        self._sessions = sessions
        self._is_gone = False

    def advance(self, now: timedelta) -> Outcome:
        """As the client does, and turn the picture to what the outcome allows."""
        outcome = super().advance(now)
        self.stopwatch.turn_to(self._state if outcome.may_play else PlayState.ENDED, now)
        return outcome

    def next_request(self, now: timedelta) -> Request | None:
        """As the client does, and stamp the request."""
        request = super().next_request(now)
        if request is None:
            return None
        assert self._open is not None, "a request belongs to an open session"
        start_key = self._open.start_key
        stamp, seq = self._stamp(request)
        if self._open.id is not None:
            self._sessions[str(self._open.id)] = start_key
        self._evidence.stamps[RequestKey(start_key, seq)] = stamp
        return request

    def leave(self, now: timedelta) -> None:
        """The player is gone, with or without a word; a second time changes nothing."""
        self.stopwatch.turn_to(PlayState.ENDED, now)
        if not self._is_gone:
            self._evidence.watched += self.stopwatch.watched
        self._is_gone = True

    def _stamp(self, request: Request) -> tuple[Stamp, int]:
        watched, is_playing = self.stopwatch.watched, self.stopwatch.is_playing
        assert request.counters is not None, "this client always counts"
        seq = request.counters.seq
        if isinstance(request, EndRequest):
            return Stamp(Call.END, watched, PlayState.ENDED, None, is_playing), seq
        title = request.title if isinstance(request.title, UUID) else None
        return Stamp(Call.BEAT, watched, request.state, title, is_playing), seq
