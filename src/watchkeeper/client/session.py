"""The rules that a player follows, without any I/O (03, sections 3 to 5).

A PlayerSession is told what happens (`report`, `resume`, and the answers to its requests) and says
what to do: the present outcome, the next request, and when to look again. Instants are timedeltas
on one monotonic clock, passed in with each call.

Held players stay held: only an answer that isn't `blocked` starts a blocked player again, and only
a person's action (`resume`) one that lost its stream to another device.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from watchkeeper.client.allowance import Allowance, next_beat_after
from watchkeeper.client.counters import PlayCounters
from watchkeeper.client.errors import ProblemError
from watchkeeper.client.outcome import Outcome, Phase
from watchkeeper.client.requests import (
    EndRequest,
    Exchange,
    OpenSession,
    Player,
    Request,
    Silence,
    Title,
    key_of,
)
from watchkeeper.client.types import Enforcement, Heartbeat, HeartbeatAnswer, PlayState

ANSWER_WAIT = timedelta(seconds=5)
ABANDON_AFTER = timedelta(seconds=10)
BEAT_SPACING = timedelta(milliseconds=500)
PERSON_SPACING = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(seconds=30)
SHORTEST_BACK_OFF = timedelta(milliseconds=200)
END_ATTEMPTS = 2
_ENDED, _PLAYING, _BUFFERING = PlayState.ENDED, PlayState.PLAYING, PlayState.BUFFERING
_IDLE = Outcome(Phase.IDLE)


class PlayerSession:
    """One player's heartbeats, from session to session.

    `draw` (a number in [0, 1)) and `new_key` are passed in so that tests are repeatable.
    """

    def __init__(
        self,
        player: Player,
        *,
        draw: Callable[[], float] = random.random,
        new_key: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.player = player
        self.outcome = _IDLE
        self._draw = draw
        self._new_key = new_key
        self._state = _ENDED
        self._title: Title | None = None
        self._verdict: Outcome | None = None
        self._open: OpenSession | None = None
        self._exchange: Exchange | None = None
        self._silence = Silence()
        self._beat_at: timedelta | None = None
        self._sent_at: timedelta | None = None
        self._is_asking_again = False

    # What the player and the person do.

    def report(self, now: timedelta, state: PlayState, title: Title | None = None) -> Outcome:
        """Say what the player does, or would do if it weren't held; None keeps the title.

        `ended` ends the session. Returns the outcome, as every call here does.
        """
        self.advance(now)
        is_stopping = state is _ENDED and self._state is not _ENDED
        self._state = state
        self._title = title or self._title
        if is_stopping:
            self._beat_at = now
        return self.advance(now)

    def resume(self, now: timedelta) -> Outcome:
        """A person asks to play: start again after a takeover, or ask at once whether it may."""
        self.advance(now)
        self._state = _PLAYING
        if self._verdict and self._verdict.phase in {Phase.SUPERSEDED, Phase.REFUSED}:
            self._verdict = None
        elif self._sent_at is None or now - self._sent_at >= PERSON_SPACING:
            self.ask_now(now)
        return self.advance(now)

    def ask_now(self, now: timedelta) -> None:
        """Send a heartbeat at `now`, for instance after a grant."""
        if self._exchange is not None:
            # The answer that is on its way may be older than what is asked about.
            self._is_asking_again = True
        elif self._open is not None:
            self._beat_at = now

    def ask_soon(self, now: timedelta) -> None:
        """The same, but not sooner after the last heartbeat than news may follow each other."""
        self.ask_now(now if self._sent_at is None else max(now, self._sent_at + BEAT_SPACING))

    # What to do next.

    def advance(self, now: timedelta) -> Outcome:
        """Count the time up to `now`, and decide what holds from now on."""
        if self._open is not None:
            spent_in = self._state if self.outcome.may_play else _ENDED
            self._open.counters.advance(now, spent_in)
        if self._exchange is not None and now - self._exchange.sent_at >= ANSWER_WAIT:
            self._silence.begin(self._exchange.sent_at)
        if self._open is not None and self._is_abandoned(self._open):
            self._drop_session()
        if self._open is None:
            self._begin_if_wanted(now, permitted_until=now)
        self.outcome = self._judge(now)
        self._plan_beat(now)
        return self.outcome

    def next_request(self, now: timedelta) -> Request | None:
        """The request that is due, which counts as sent; None while one waits for its answer."""
        session = self._open
        if session is None or self._exchange is not None:
            return None
        if self._beat_at is None or now < self._beat_at:
            return None
        if self._state is _ENDED and session.id is not None:
            request: Request = EndRequest(session.id, session.next_reading())
        else:
            request = self._heartbeat_of(session)
        self._exchange = Exchange(request, now, session.counters.charged)
        self._sent_at, self._beat_at = now, None
        return request

    def is_overdue(self, now: timedelta) -> bool:
        """Whether the request that waits for its answer should be given up (then `failed`)."""
        return self._exchange is not None and now - self._exchange.sent_at >= ABANDON_AFTER

    def wake_at(self, now: timedelta) -> timedelta | None:
        """When to call `advance` again if nothing happens before; None means never."""
        if self._open is None:
            return None
        later = [instant for instant in self._instants(self._open) if instant > now]
        if self._exchange is None and self._beat_at is not None:
            later.append(max(self._beat_at, now))
        running_out = self._runs_out_in(self._open)
        if running_out is not None and running_out > timedelta(0):
            later.append(now + running_out)
        return min(later, default=None)

    def remaining(self) -> timedelta | None:
        """What is left by the player's own count; None means no limit, or not known."""
        if self._open is None or self._open.allowance is None:
            return None
        left = self._open.allowance.left(self._open.counters.charged)
        return None if left is None else max(left, timedelta(0))

    @property
    def session_id(self) -> UUID | None:
        """The open session's id, once the service gave one."""
        return None if self._open is None else self._open.id

    @property
    def is_settled(self) -> bool:
        """Whether no session is open, so that nothing is left to tell the service."""
        return self._open is None

    # How requests went.

    def answered(self, now: timedelta, answer: HeartbeatAnswer) -> Outcome:
        """The heartbeat that waits got a decision."""
        self.advance(now)
        exchange, session = self._waiting()
        self._exchange = None
        self._silence = Silence()
        session.id = answer.session_id
        self._beat_at = exchange.sent_at + next_beat_after(answer)
        if answer.enforcement is Enforcement.BLOCKED:
            session.allowance = None
            self._verdict = Outcome(Phase.BLOCKED, reason=answer.reason or "limit")
        else:
            self._verdict = None
            session.allowance = Allowance.from_answer(
                answer, sent_at=exchange.sent_at, charged_at=exchange.charged_at
            )
        if self._is_asking_again or self._state is _ENDED:
            self._is_asking_again = False
            self._beat_at = now
        return self.advance(now)

    def ended(self, now: timedelta) -> Outcome:
        """The session that was to be ended is over."""
        self.advance(now)
        self._exchange = None
        self._drop_session()
        return self.advance(now)

    def failed(self, now: timedelta, retry_after: timedelta | None = None) -> Outcome:
        """The request got no decision: no answer, an unreadable one, or a passing refusal."""
        self.advance(now)
        exchange, session = self._waiting()
        self._exchange = None
        self._silence.begin(exchange.sent_at)
        self._silence.failures += 1
        self._beat_at = now + self._back_off(retry_after)
        if isinstance(exchange.request, EndRequest):
            session.end_attempts += 1
        self._is_asking_again = False
        return self.advance(now)

    def refused(self, now: timedelta, problem: ProblemError) -> Outcome:
        """The request was refused with a problem."""
        self.advance(now)
        exchange, session = self._waiting()
        is_passing = problem.status in {408, 429} or problem.status >= 500
        if is_passing or (exchange.is_start and problem.status == 410):
            return self.failed(now, problem.retry_after)
        if isinstance(exchange.request, EndRequest):
            return self.ended(now)
        self._exchange = None
        if problem.has_type("viewing/session-superseded"):
            name = problem.members.get("device_name")
            self._stop(Phase.SUPERSEDED, problem.detail, None if name is None else str(name))
        elif problem.status in {404, 409, 410} and not exchange.is_start:
            self._renew(now, session)
        else:
            self._stop(Phase.REFUSED, problem.detail)
        return self.advance(now)

    # Rules.

    def _judge(self, now: timedelta) -> Outcome:
        session = self._open
        if self._state is _ENDED:
            if session is None:
                self._verdict = None
            return _IDLE
        if self._verdict is not None:
            return self._verdict
        if session is None:
            return _IDLE
        if session.allowance is None:
            return self._judge_start(session, now)
        return self._judge_play(session, session.allowance, now)

    def _judge_start(self, session: OpenSession, now: timedelta) -> Outcome:
        if now < session.permitted_until:
            return Outcome(Phase.PLAYING)
        has_waited = now - session.opened_at >= ANSWER_WAIT
        return Outcome(Phase.UNREACHABLE if has_waited else Phase.WAITING)

    def _judge_play(self, session: OpenSession, allowance: Allowance, now: timedelta) -> Outcome:
        if allowance.blocks_at is not None and now >= allowance.blocks_at:
            reason = allowance.binding if allowance.binding not in {None, "limit"} else "bedtime"
            self._verdict = Outcome(Phase.BLOCKED, reason=reason)
            return self._verdict
        is_used_up = allowance.is_used_up(session.counters.charged, is_answered=not self._silence)
        silence = self._silence.lasts(now)
        if silence >= ANSWER_WAIT and (is_used_up or silence >= allowance.grace):
            return Outcome(Phase.UNREACHABLE)
        if is_used_up:
            return Outcome(Phase.WAITING)
        return Outcome(Phase.PLAYING, warning=allowance.warning)

    def _plan_beat(self, now: timedelta) -> None:
        session = self._open
        if session is None or self._exchange is not None or self._silence:
            return
        wanted = None
        if self.outcome.phase is Phase.WAITING:
            wanted = now
        elif self._is_news(session):
            wanted = now if self._sent_at is None else max(now, self._sent_at + BEAT_SPACING)
        if wanted is not None:
            self._beat_at = wanted if self._beat_at is None else min(self._beat_at, wanted)

    def _is_news(self, session: OpenSession) -> bool:
        """Whether the service should hear at once of a change.

        A held player doesn't report what it would do, but a new title may be one that it may play.
        """
        if session.reported is None or self._state is _ENDED:
            return False
        state, title = session.reported
        is_new_title = title != key_of(self._title)
        return is_new_title or (self.outcome.may_play and state is not self._state)

    def _is_abandoned(self, session: OpenSession) -> bool:
        """Whether an unwanted session is left to the service, which closes silent ones itself."""
        if self._state is not _ENDED or self._exchange is not None:
            return False
        return session.id is None or session.end_attempts >= END_ATTEMPTS

    def _begin_if_wanted(self, now: timedelta, permitted_until: timedelta) -> None:
        is_wanted = self._state in {_PLAYING, _BUFFERING} and self._title is not None
        if not is_wanted or self._verdict is not None:
            return
        self._open = OpenSession(
            start_key=self._new_key(),
            opened_at=now,
            counters=PlayCounters(now),
            permitted_until=permitted_until,
        )
        self._silence = Silence()
        self._beat_at = now

    def _renew(self, now: timedelta, closed: OpenSession) -> None:
        """The service closed the session; start a new one if the player is playing.

        A player that was held meanwhile doesn't start by itself: the child may have gone on to
        another device, and would lose that stream.
        """
        was_held = self.outcome.is_held
        is_at_its_end = self.outcome.phase is Phase.WAITING
        self._drop_session()
        if was_held and not is_at_its_end:
            self._state = PlayState.PAUSED
            return
        left = closed.allowance.left(closed.counters.charged) if closed.allowance else None
        still = ANSWER_WAIT if left is None else min(ANSWER_WAIT, left)
        self._begin_if_wanted(now, permitted_until=now if was_held else now + still)

    def _stop(self, phase: Phase, detail: str, device_name: str | None = None) -> None:
        self._drop_session()
        self._verdict = Outcome(phase, device_name=device_name, detail=detail)

    def _drop_session(self) -> None:
        self._open = self._verdict = self._beat_at = None
        self._is_asking_again = False
        self._silence = Silence()

    def _waiting(self) -> tuple[Exchange, OpenSession]:
        assert self._exchange is not None, "no request waits for an answer"
        assert self._open is not None, "a request belongs to an open session"
        return self._exchange, self._open

    def _back_off(self, retry_after: timedelta | None) -> timedelta:
        """Full jitter: anything up to a bound that doubles, but not before the service asks."""
        bound = min(timedelta(seconds=2 ** min(self._silence.failures - 1, 10)), LONGEST_BACK_OFF)
        wait = max(bound * self._draw(), SHORTEST_BACK_OFF)
        return max(wait, min(retry_after or timedelta(0), LONGEST_BACK_OFF))

    def _heartbeat_of(self, session: OpenSession) -> Heartbeat:
        assert self._title is not None, "a session has a title"
        is_held = self.outcome.is_held and self.outcome.phase is not Phase.WAITING
        state = _ENDED if is_held else self._state
        session.reported = (state, key_of(self._title))
        return Heartbeat(
            profile_id=self.player.profile_id,
            device_id=self.player.device_id,
            device_type=self.player.device_type,
            device_name=self.player.device_name,
            state=state,
            title=self._title,
            session_id=session.id,
            start_key=session.start_key if session.id is None else None,
            counters=session.next_reading(),
        )

    def _instants(self, session: OpenSession) -> list[timedelta]:
        instants = [session.opened_at + ANSWER_WAIT, session.permitted_until]
        if self._exchange is not None:
            sent_at = self._exchange.sent_at
            instants += [sent_at + ANSWER_WAIT, sent_at + ABANDON_AFTER]
        allowance = session.allowance
        if allowance is not None and allowance.blocks_at is not None:
            instants.append(allowance.blocks_at)
        if self._silence.since is not None:
            instants.append(self._silence.since + ANSWER_WAIT)
            if allowance is not None:
                instants.append(self._silence.since + allowance.grace)
        return instants

    def _runs_out_in(self, session: OpenSession) -> timedelta | None:
        if session.allowance is None or not self.outcome.may_play:
            return None
        if not session.counters.is_charging(self._state):
            return None
        left = session.allowance.left(session.counters.charged)
        if left is None or self._silence:
            return left
        return left + session.allowance.overrun
