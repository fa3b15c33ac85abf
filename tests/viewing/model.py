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

    def enforcement(self, title: str) -> str:
        remaining = self.remaining()
        if remaining is None or title in self.free_titles:
            return "allowed"
        if remaining == 0:
            return "blocked"
        if remaining <= 300:
            return "warning_5"
        return "warning_15" if remaining <= 900 else "allowed"

    def grant(self, minutes: int | None, *, cancelled: bool = False) -> None:
        today = self.day_at(self.now)
        today.grants.append((minutes, today.counted, cancelled))

    # Single seconds.

    def count(self, session: ModelSession, seconds: Iterable[int]) -> None:
        for second in seconds:
            if not self.has_room(second):
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
        started.is_blocked = self.enforcement(title) == "blocked"
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
        session.is_blocked = self.enforcement(title) == "blocked"
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
        known: list[int] = []
        doubted: list[int] = []
        if session.state == "playing":
            known = list(stretch[-90:])
            doubted = list(stretch[:-90][-max(0, self.grace + 30 - 90) :])
            if self.grace + 30 <= 90:
                doubted = []
        elif session.state in ("paused", "buffering"):
            known = list(stretch[: 300 - session.pause])
            session.pause += len(known)
        if bucket is not None:
            known = known[max(0, len(known) - bucket) :]
            bucket -= len(known)
            doubted = doubted[max(0, len(doubted) - bucket) :]
            session.bucket = bucket - len(doubted)
        self.doubt(session, doubted)
        self.count(session, known)

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
        idle = max(0, min(paused - pause, self.now - session.last - play - pause))
        labels = (
            "." * idle + "c" * pause + "c" * play
            if was_playing
            else "c" * play + "." * idle + "c" * pause
        )
        backwards = zip(range(self.now - 1, -1, -1), labels, strict=False)
        seconds = [second for second, label in backwards if label == "c"]
        self.count(session, sorted(seconds))
