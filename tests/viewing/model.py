"""Viewing time once more, as plainly as it can be said: second by second, for one child.

It shares nothing with the package but the words on the wire, so that tests can ask two independent
accounts of the same history whether they agree. All times are whole seconds since 1970 in UTC; a
day begins at 06:00 UTC. Each second of a stretch is looked at on its own: what was it, which day
does it belong to, is there room, is it forgiven?
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

DAY = 86_400
RESET = 6 * 3_600


@dataclass
class ModelDay:
    counted: int = 0
    exempt: int = 0
    forgiven: int = 0
    # (minutes or None for unlimited, used seconds when it was given, is it a cancellation)
    grants: list[tuple[int | None, int, bool]] = field(default_factory=list)


@dataclass
class ModelSession:
    device: str
    title: str
    state: str
    last: int
    counters: tuple[int, int, int] | None
    start_key: str | None
    bucket: int = 0
    pause: int = 0
    is_blocked: bool = False
    credited: int = 0
    over: str | None = None


@dataclass
class PlainModel:
    """What the rules promise for one child, without any thought for speed or storage."""

    limit: int | None
    grace: int
    free_titles: frozenset[str]
    now: int
    # Allowed hours in seconds after midnight, None all day; a later end than midnight may be less.
    hours: tuple[tuple[int, int], ...] | None = None
    locks: list[tuple[int, int]] = field(default_factory=list)
    extensions: list[tuple[int, int]] = field(default_factory=list)
    days: dict[int, ModelDay] = field(default_factory=lambda: defaultdict(ModelDay))
    sessions: dict[str, ModelSession] = field(default_factory=dict)

    # The day and what it permits.

    def day_at(self, second: int) -> ModelDay:
        return self.days[(second - RESET) // DAY]

    def has_room(self, second: int) -> bool:
        number = (second - RESET) // DAY
        passed = min(self.now - (number * DAY + RESET), DAY)
        return self.days[number].counted + self.days[number].exempt < passed

    def permitted(self) -> int | None:
        """Seconds that today permits, None when unlimited."""
        grants = self.day_at(self.now).grants
        lifted = sum(-1 if cancelled else 1 for minutes, _, cancelled in grants if minutes is None)
        if self.limit is None or lifted > 0:
            return None
        amounts = [(minutes or 0, used, cancelled) for minutes, used, cancelled in grants]
        limits = [0, self.limit * 60 + sum(minutes for minutes, _, _ in amounts) * 60]
        for index, (minutes, used, cancelled) in enumerate(amounts):
            if minutes > 0 and not cancelled:
                following = sum(later for later, _, _ in amounts[index + 1 :])
                limits.append(used + (minutes + following) * 60)
        return max(limits)

    def remaining(self) -> int | None:
        permitted = self.permitted()
        if permitted is None:
            return None
        return max(0, permitted - self.day_at(self.now).counted)

    def enforcement(self, title: str) -> tuple[str, str | None]:
        """What is told, and the reason when it is blocked."""
        lefts = [] if title in self.free_titles else [self.remaining()]
        left = min((one for one in (*lefts, self.closes_in()) if one is not None), default=None)
        if self.is_locked(self.now):
            return "blocked", "locked"
        if left is None:
            return "allowed", None
        if left == 0:
            return "blocked", "bedtime" if self.closes_in() == 0 else "limit"
        if left <= 300:
            return "warning_5", None
        return ("warning_15" if left <= 900 else "allowed"), None

    def grant(self, minutes: int | None, *, cancelled: bool = False, extends: bool = False) -> None:
        today = self.day_at(self.now)
        today.grants.append((minutes, today.counted, cancelled))
        if extends:
            closes = self.closes_in()
            closes = self.day_ends if closes is None else min(self.now + closes, self.day_ends)
            until = self.day_ends if minutes is None else closes + minutes * 60
            self.extensions.append((closes, min(until, self.day_ends)))

    # Hours and locks.

    @property
    def day_ends(self) -> int:
        return ((self.now - RESET) // DAY + 1) * DAY + RESET

    def lock(self, seconds: int | None) -> None:
        until = self.day_ends if seconds is None else self.now + seconds
        held = [one for one in self.locks if one[0] <= self.now < one[1]]
        self.locks = [one for one in self.locks if one not in held]
        self.locks.append((held[0][0] if held else self.now, until))

    def unlock(self) -> None:
        self.locks = [
            (start, self.now if start <= self.now < end else end) for start, end in self.locks
        ]

    def is_locked(self, second: int) -> bool:
        return any(start <= second < end for start, end in self.locks)

    def is_open(self, second: int) -> bool:
        if self.hours is None or any(start <= second < end for start, end in self.extensions):
            return True
        midnight = second // DAY * DAY
        return any(
            begins + start <= second < begins + (end if end > start else end + DAY)
            for begins in (midnight - DAY, midnight)
            for start, end in self.hours
        )

    def closes_in(self) -> int | None:
        """Seconds until the hours close; None if they don't before the next day ends."""
        if not self.is_open(self.now):
            return 0
        edges = {end for _, end in self.extensions}
        midnight = self.now // DAY * DAY
        for days in range(4):
            edges |= {midnight + days * DAY + edge for pair in self.hours or () for edge in pair}
        closing = [one for one in edges if one > self.now and not self.is_open(one)]
        first = min(closing, default=self.day_ends + DAY)
        return first - self.now if first < self.day_ends + DAY else None

    def may_count(self, second: int) -> bool:
        return self.is_open(second) and not self.is_locked(second)

    # Single seconds.

    def count(self, session: ModelSession, seconds: Iterable[int]) -> None:
        for second in seconds:
            if not self.has_room(second) or not self.may_count(second):
                continue
            day = self.day_at(second)
            if session.title in self.free_titles:
                day.exempt += 1
            else:
                day.counted += 1
            session.credited += 1

    def doubt(self, session: ModelSession, seconds: Iterable[int]) -> None:
        if session.title in self.free_titles:
            return
        for second in seconds:
            if not self.may_count(second):
                continue
            day = self.day_at(second)
            if day.forgiven < 300:
                day.forgiven += 1
            else:
                self.count(session, [second])

    # Sessions.

    def is_silent(self, session: ModelSession) -> bool:
        return self.now - session.last >= max(300, self.grace + 60)

    def give_up(self, session: ModelSession, *, certain: int, over: str) -> None:
        if session.state == "playing" and not session.is_blocked:
            unreported = range(session.last, min(self.now, session.last + self.grace + 30))
            self.count(session, unreported[:certain])
            self.doubt(session, unreported[certain:])
        session.over = over

    def reap(self) -> None:
        for session in self.sessions.values():
            if session.over is None and self.is_silent(session):
                self.give_up(session, certain=0, over="session_ended")

    def start(
        self,
        name: str,
        device: str,
        state: str,
        title: str,
        counters: tuple[int, int, int] | None,
        start_key: str | None,
    ) -> str:
        self.reap()
        for session in self.sessions.values():
            if session.over is None:
                self.give_up(session, certain=30, over="session_superseded")
        started = ModelSession(device, title, state, self.now, counters, start_key)
        self.sessions[name] = started
        started.is_blocked = self.enforcement(title)[0] == "blocked"
        return "started"

    def beat(
        self,
        name: str,
        device: str,
        state: str,
        title: str,
        counters: tuple[int, int, int] | None,
        *,
        is_start: bool = False,
    ) -> str:
        session = self.sessions[name]
        if session.device != device:
            return "device_conflict"
        if session.over is not None:
            return session.over
        if self.is_silent(session):
            self.reap()
            return "session_ended"
        has_both = session.counters is not None and counters is not None
        if (has_both and counters[0] <= session.counters[0]) or (is_start and not has_both):  # type: ignore[index]
            if self.now - session.last >= self.grace + 33:
                return "session_ended"
            return "start_repeated" if is_start else "duplicate"
        self.settle_stretch(session, state, counters)
        session.title = title
        session.is_blocked = self.enforcement(title)[0] == "blocked"
        if session.is_blocked:
            session.bucket = 0
        return "accepted"

    def end(self, name: str, counters: tuple[int, int, int] | None) -> None:
        session = self.sessions[name]
        if session.over is not None:
            return
        if self.is_silent(session):
            self.reap()
            return
        if counters is not None and session.counters and counters[0] <= session.counters[0]:
            counters = None
        self.settle_stretch(session, "ended", counters)
        session.over = "session_ended"

    # A stretch: what was each of its seconds, from the last to the first?

    def settle_stretch(
        self, session: ModelSession, state: str, counters: tuple[int, int, int] | None
    ) -> None:
        if session.is_blocked:
            session.bucket = 0
        elif session.counters is None:
            self.plain_stretch(session, None)
        else:
            session.bucket = min(session.bucket + self.now - session.last, max(90, self.grace + 45))
            if counters is None or counters[1] < session.counters[1]:
                self.plain_stretch(session, session.bucket)
            else:
                self.counted_stretch(session, session.counters, state, counters)
        if state == "playing":
            session.pause = 0
        if session.counters is not None and counters is not None:
            session.counters = counters
        session.state = state
        session.last = self.now

    def plain_stretch(self, session: ModelSession, bucket: int | None) -> None:
        stretch = range(session.last, self.now)
        known, until = 0, self.now
        doubted: list[int] = []
        if session.state == "playing":
            known = min(len(stretch), 90)
            doubted = list(stretch[:-90][-max(0, self.grace + 30 - 90) :])
            if self.grace + 30 <= 90:
                doubted = []
        elif session.state in ("paused", "buffering"):
            known = min(len(stretch), 300 - session.pause)
            until = session.last + known
            session.pause += known
        if bucket is not None:
            known = min(known, bucket)
            bucket -= known
            doubted = doubted[max(0, len(doubted) - bucket) :]
            session.bucket = bucket - len(doubted)
        counted = self.backwards(known, until, session.last)
        self.doubt(session, [second for second in doubted if second not in counted])
        self.count(session, sorted(counted))

    def backwards(self, amount: int, until: int, start: int) -> list[int]:
        """So many allowed seconds before ``until`` and not before ``start``, the last one first."""
        found: list[int] = []
        for second in range(until - 1, start - 1, -1):
            if len(found) < amount and self.may_count(second):
                found.append(second)
        return found

    def counted_stretch(
        self,
        session: ModelSession,
        before: tuple[int, int, int],
        state: str,
        after: tuple[int, int, int],
    ) -> None:
        played, paused = after[1] - before[1], max(0, after[2] - before[2])
        was_playing = session.state == "playing"
        play = min(played, session.bucket)
        due = min(paused, 300 - session.pause)
        pause = min(due, session.bucket - play)
        session.bucket -= play + pause
        session.pause += due
        if not was_playing and played >= 1:
            session.pause = 0
        length = self.now - session.last
        idle = max(0, min(paused - pause, length - play - pause))
        # From the end backwards: what was it, how much of it is charged, how long did it last?
        parts = [("idle", 0, idle), ("pause", pause, pause), ("play", play, play)]
        if not was_playing:
            parts = [("play", play, play), ("idle", 0, idle), ("pause", pause, pause)]
        latest, cursor = self.now, self.now
        counted: list[int] = []
        for _, amount, lasted in parts:
            cursor = min(cursor, latest)
            found = self.backwards(amount, cursor, session.last)
            cursor = found[-1] if found else cursor
            counted += found
            latest -= lasted
        counted += self.backwards(play + pause - length, session.last, session.last - 1000)
        self.count(session, sorted(counted))
