"""What a child may be charged for what its players did: the specification, seen from outside.

Derived from viewing time, sections 3 and 4, and from nothing of the service's code:

- A session is charged what its players watched from its first accepted request to its last one.
  What came before the first and after the last is lost to a start, a crash or a takeover.
- A session that was playing and is taken over without having ended is charged up to 30 s of the
  time since its last accepted request, watched or not. The rest, up to grace + 30 s of that time,
  is in doubt: 300 s of it a child and day are forgiven, what exceeds them is charged. Educational
  titles lose nothing by doubt.
- A session that was silent for max(300 s, grace + 60 s) has doubt alone.

The service's instants lie between the sending of a request and its answer. Where an answer never
came, both possibilities stay open, and the bounds are as wide as they differ.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from watchkeeper.client import PlayState
from watchkeeper.simulate.evidence import Arrival, Call, Evidence, RequestKey, Stamp
from watchkeeper.simulate.interval import NOTHING, Interval

CHARGED_BY_A_TAKEOVER = timedelta(seconds=30)
UNREPORTED_MARGIN = timedelta(seconds=30)
FORGIVEN_A_DAY = timedelta(seconds=300)
ROUNDING = timedelta(milliseconds=4)
"""For each session: counters are whole milliseconds, and so are the service's instants."""
CLOCKS_DRIFT = timedelta(milliseconds=30)
"""For each takeover: the service sets its clock by the database's every 60 s."""
_SHORTEST_SILENCE, _SILENCE_MARGIN = timedelta(seconds=300), timedelta(seconds=60)
_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a day may hold after all that a child's players did.

    `takeovers` is the part of it that takeovers charge, whether or not somebody watched.
    """

    counted: Interval = NOTHING
    exempt: Interval = NOTHING
    forgiven: Interval = NOTHING
    takeovers: Interval = NOTHING

    @property
    def charged(self) -> Interval:
        """Counted and exempt together."""
        return self.counted + self.exempt


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, and between which instants the service took it, if it did."""

    stamp: Stamp
    arrival: Arrival
    window: Interval


@dataclass(slots=True)
class _Session:
    """The requests of one session that arrived or may have, in the order of their numbers."""

    requests: list[_Request]

    @property
    def began(self) -> Interval:
        """Between which instants it began: by its first accepted request, or an earlier one."""
        first = next(one for one in self.requests if one.arrival is Arrival.ACCEPTED)
        return Interval(self.requests[0].window.low, first.window.high)


@dataclass(slots=True)
class _Amounts:
    """What one session adds: time of each kind, what of it a takeover charged, time in doubt."""

    counted: Interval = NOTHING
    exempt: Interval = NOTHING
    doubt: Interval = NOTHING
    takeovers: Interval = NOTHING

    def __add__(self, other: "_Amounts") -> "_Amounts":
        return _Amounts(
            self.counted + other.counted,
            self.exempt + other.exempt,
            self.doubt + other.doubt,
            self.takeovers + other.takeovers,
        )

    def or_else(self, other: "_Amounts") -> "_Amounts":
        return _Amounts(
            self.counted.or_else(other.counted),
            self.exempt.or_else(other.exempt),
            self.doubt.or_else(other.doubt),
            self.takeovers.or_else(other.takeovers),
        )


def expect(evidence: Evidence, educational: Collection[UUID], now: timedelta) -> Expectation:
    """What the service must have charged a child by `now`, between bounds."""
    sessions = sorted(_sessions_of(evidence), key=lambda one: one.began.high)
    total = _Amounts()
    for place, session in enumerate(sessions):
        successor = sessions[place + 1].began if place + 1 < len(sessions) else None
        rules = _Rules(evidence.grace, educational, successor, now)
        total += rules.amounts_of(session)
    total += _lost_starts(evidence, {key.start_key for key in _accepted_keys(evidence)})
    forgiven = total.doubt.at_most(FORGIVEN_A_DAY)
    charged_doubt = total.doubt.beyond(FORGIVEN_A_DAY)
    return Expectation(total.counted + charged_doubt, total.exempt, forgiven, total.takeovers)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for one session: `successor` is when the next one of the child began."""

    grace: timedelta
    educational: Collection[UUID]
    successor: Interval | None
    now: timedelta

    def amounts_of(self, session: _Session) -> _Amounts:
        """Every way in which the session may have gone, joined."""
        ways = [self._way(path) for path in self._paths(session)]
        amounts = ways[0]
        for other in ways[1:]:
            amounts = amounts.or_else(other)
        return replace(
            amounts,
            counted=amounts.counted.widened(ROUNDING),
            exempt=amounts.exempt.widened(ROUNDING),
        )

    def _paths(self, session: _Session) -> Iterable[list[_Request]]:
        """The requests that were taken, for each possibility.

        What is unknown before the last accepted request only moves the border between two titles,
        and each of the unknown ones after it may be the last.
        """
        for last in self._last_ones(session):
            taken = [one for one in session.requests[: last + 1] if one.arrival is Arrival.ACCEPTED]
            end = session.requests[last]
            unknown = [one for one in session.requests[:last] if one.arrival is Arrival.UNKNOWN]
            yield [*taken, *([end] if end not in taken else [])]
            if unknown:
                yield session.requests[: last + 1]

    def _last_ones(self, session: _Session) -> Iterable[int]:
        """The places of the requests that may have been the last one taken."""
        possible: list[int] = []
        for place, request in enumerate(session.requests):
            if request.stamp.call is Call.END and not self._may_be_in_time(request):
                continue
            is_sure = request.arrival is Arrival.ACCEPTED and (
                request.stamp.call is Call.BEAT or self._is_in_time(request)
            )
            if is_sure:
                possible = [place]
            elif possible:
                possible.append(place)
        return possible

    def _may_be_in_time(self, end: _Request) -> bool:
        return self.successor is None or end.window.low <= self.successor.high

    def _is_in_time(self, end: _Request) -> bool:
        return self.successor is None or end.window.high <= self.successor.low

    def _way(self, taken: Sequence[_Request]) -> _Amounts:
        """What a session adds whose requests were these; the first one sets the baseline."""
        amounts = _Amounts()
        for earlier, later in pairwise(taken):
            watched = later.stamp.watched - earlier.stamp.watched
            amounts += self._of_kind(earlier.stamp.title_id, Interval.exactly(watched))
        amounts = self._less_the_first_way(taken, amounts)
        last = taken[-1]
        if last.stamp.call is Call.END or last.stamp.state is not PlayState.PLAYING:
            return amounts
        return amounts + self._unreported(last)

    def _less_the_first_way(self, taken: Sequence[_Request], amounts: _Amounts) -> _Amounts:
        """A player that plays while its session begins may lose the first request's way."""
        first = taken[0]
        if not first.stamp.is_playing or len(taken) < 2:
            return amounts
        way = first.window.high - first.window.low
        lost = Interval(-min(way, taken[1].stamp.watched - first.stamp.watched), _ZERO)
        return amounts + self._of_kind(first.stamp.title_id, lost)

    def _unreported(self, last: _Request) -> _Amounts:
        silent_after = max(_SHORTEST_SILENCE, self.grace + _SILENCE_MARGIN)
        until = self.successor or Interval.exactly(self.now)
        gap = Interval(
            max(until.low - last.window.high, _ZERO), max(until.high - last.window.low, _ZERO)
        ).widened(CLOCKS_DRIFT)
        reach = gap.at_most(self.grace + UNREPORTED_MARGIN)
        silence = self._doubt_of(last.stamp.title_id, reach)
        if gap.low >= silent_after:
            return silence
        taken_over = _Amounts()
        if self.successor is not None:
            certain = reach.at_most(CHARGED_BY_A_TAKEOVER)
            doubt = self._doubt_of(last.stamp.title_id, reach.beyond(CHARGED_BY_A_TAKEOVER))
            taken_over = self._of_kind(last.stamp.title_id, certain) + doubt
            taken_over.takeovers = certain
        return taken_over.or_else(silence) if gap.high >= silent_after else taken_over

    def _of_kind(self, title_id: UUID | None, amount: Interval) -> _Amounts:
        if title_id in self.educational:
            return _Amounts(exempt=amount)
        return _Amounts(counted=amount)

    def _doubt_of(self, title_id: UUID | None, amount: Interval) -> _Amounts:
        return _Amounts() if title_id in self.educational else _Amounts(doubt=amount)


def _sessions_of(evidence: Evidence) -> Iterable[_Session]:
    """The sessions of which something was accepted."""
    by_session: dict[str, list[tuple[int, _Request]]] = {}
    for key, stamp in evidence.stamps.items():
        request = _request_of(evidence, key, stamp)
        if request is not None:
            by_session.setdefault(key.start_key, []).append((key.seq, request))
    for numbered in by_session.values():
        requests = [request for _, request in sorted(numbered, key=lambda one: one[0])]
        if any(one.arrival is Arrival.ACCEPTED for one in requests):
            yield _Session(requests)


def _request_of(evidence: Evidence, key: RequestKey, stamp: Stamp) -> _Request | None:
    """What became of a request by all of its deliveries; None when it was surely never taken."""
    deliveries = evidence.deliveries.get(key, [])
    if not deliveries:
        return None
    sent_at = min(one.sent_at for one in deliveries)
    accepted = [one.answered_at for one in deliveries if one.arrival is Arrival.ACCEPTED]
    if accepted:
        return _Request(stamp, Arrival.ACCEPTED, Interval(sent_at, min(accepted)))
    unknown = [one.answered_at for one in deliveries if one.arrival is Arrival.UNKNOWN]
    if unknown:
        return _Request(stamp, Arrival.UNKNOWN, Interval(sent_at, max(unknown)))
    return None


def _accepted_keys(evidence: Evidence) -> Iterable[RequestKey]:
    return (
        key
        for key, deliveries in evidence.deliveries.items()
        if any(one.arrival is Arrival.ACCEPTED for one in deliveries)
    )


def _lost_starts(evidence: Evidence, known: Collection[str]) -> _Amounts:
    """Sessions that may have begun without anybody hearing of it: each may take one over, and be
    taken over itself."""
    lost = {
        key.start_key
        for key, deliveries in evidence.deliveries.items()
        if key.start_key not in known and any(one.arrival is Arrival.UNKNOWN for one in deliveries)
    }
    each = 2 * CHARGED_BY_A_TAKEOVER
    most = Interval(_ZERO, len(lost) * each)
    doubt = Interval(_ZERO, len(lost) * (2 * evidence.grace))
    return _Amounts(counted=most, exempt=most, doubt=doubt)
