"""A week of one child once more, minute by minute, as plainly as it can be said.

It shares nothing with the package. Every minute knows what the clock on the wall has reached; a
window opens at the first minute at which that clock has reached its beginning, and closes at the
first at which it has reached its end. Minutes are numbers counted from the beginning.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DATE = timedelta(days=1)
DATES = 14
Hours = list[tuple[int, int]]  # from and to in minutes after midnight, as they are set


@dataclass
class Rules:
    """What a guardian set, by weekday (Monday 0) and by date."""

    zone: str
    reset_hour: int
    weekend: set[int]
    weekday_limit: int | None
    weekend_limit: int | None
    day_limits: dict[int, int | None]
    windows: dict[int, Hours]
    date_limits: dict[date, int | None]
    date_windows: dict[date, Hours]


@dataclass
class Week:
    """Fourteen dates from `first` on; what is asked should lie in the middle of them."""

    rules: Rules
    first: date
    locks: list[tuple[int, int]] = field(default_factory=list)
    # By day, counted from the first: minutes given, and what was used then.
    grants: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    used: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        zone = ZoneInfo(self.rules.zone)
        midnight = datetime.combine(self.first, time())
        self.begin = midnight.replace(tzinfo=zone).astimezone(ZoneInfo("UTC"))
        self.reached: list[datetime] = []
        latest = midnight
        for number in range(DATES * 1440):
            shown = (self.begin + MINUTE * number).astimezone(zone).replace(tzinfo=None)
            latest = max(latest, shown)
            self.reached.append(latest)
        self.dates = [self.first + DATE * number for number in range(DATES)]
        self.resets = [self.first_at(on, self.rules.reset_hour * 60) for on in self.dates]
        self.labels = [
            (self.begin + MINUTE * (start + end) / 2).astimezone(zone).date()
            for start, end in zip(self.resets, self.resets[1:], strict=False)
        ]
        self.open = [False] * len(self.reached)
        for on in self.dates:
            for start, end in self.hours_on(on):
                last = end if end > start else end + 1440
                self.set_open(self.first_at(on, start), self.first_at(on, last))

    def number_of(self, instant: datetime) -> int:
        """The minute that begins at an instant."""
        return (instant - self.begin) // MINUTE

    def first_at(self, on: date, minute: int) -> int:
        """The first minute at which the clock has reached so many minutes after midnight."""
        local = datetime.combine(on, time()) + MINUTE * minute
        return bisect_left(self.reached, local)

    def hours_on(self, on: date) -> Hours:
        if on in self.rules.date_windows:
            return self.rules.date_windows[on] or [(0, 1440)]
        return self.rules.windows.get(on.weekday()) or [(0, 1440)]

    def set_open(self, start: int, end: int) -> None:
        for minute in range(start, min(end, len(self.open))):
            self.open[minute] = True

    def day_of(self, minute: int) -> int:
        """The number of the viewing day."""
        return bisect_right(self.resets, minute) - 1

    def limit_of(self, day: int) -> int | None:
        """Of two days with one label only the first has what was set for that date."""
        rules, label = self.rules, self.labels[day]
        if label in rules.date_limits and (day == 0 or self.labels[day - 1] != label):
            return rules.date_limits[label]
        if label.weekday() in rules.day_limits:
            return rules.day_limits[label.weekday()]
        return rules.weekend_limit if label.weekday() in rules.weekend else rules.weekday_limit

    def is_locked(self, minute: int) -> bool:
        return any(start <= minute < end for start, end in self.locks)

    # What happens.

    def play(self, start: int, end: int) -> None:
        """The child watches something that counts; each allowed minute is charged."""
        for minute in range(start, end):
            if self.open[minute] and not self.is_locked(minute):
                self.used[self.day_of(minute)] += 1

    def grant(self, now: int, minutes: int, *, extends: bool) -> None:
        day = self.day_of(now)
        self.grants.setdefault(day, []).append((minutes, self.used[day]))
        if extends:
            day_ends = self.resets[day + 1]
            closes = next((one for one in range(now, day_ends) if not self.open[one]), day_ends)
            self.set_open(closes, min(day_ends, closes + minutes))

    def lock(self, now: int, until: int | None) -> None:
        ends = self.resets[self.day_of(now) + 1] if until is None else until
        held = [lock for lock in self.locks if lock[0] <= now < lock[1]]
        self.locks = [lock for lock in self.locks if lock not in held]
        self.locks.append((held[0][0] if held else now, ends))

    def unlock(self, now: int) -> None:
        self.locks = [(start, now if start <= now < end else end) for start, end in self.locks]

    # What is told.

    def left_of_limit(self, now: int) -> int | None:
        day = self.day_of(now)
        limit = self.limit_of(day)
        if limit is None:
            return None
        given = self.grants.get(day, [])
        permitted = limit + sum(minutes for minutes, _ in given)
        for index, (minutes, used) in enumerate(given):
            later = sum(more for more, _ in given[index + 1 :])
            permitted = max(permitted, used + minutes + later)
        return max(0, permitted - self.used[day])

    def told(self, now: int) -> tuple[str | None, int | None]:
        """The rule that binds, and the minutes that it leaves."""
        if self.is_locked(now):
            return "locked", 0
        rules: list[tuple[int, int, str]] = []
        closes = self.closes_in(now)
        if closes is not None:
            rules.append((closes, 0, "bedtime"))
        left = self.left_of_limit(now)
        if left is not None:
            rules.append((left, 1, "limit"))
        if not rules:
            return None, None
        minutes, _, rule = min(rules)
        return rule, minutes

    def closes_in(self, now: int) -> int | None:
        """Minutes until play is closed; None when that isn't before the next day ends."""
        tomorrow_ends = self.resets[self.day_of(now) + 2]
        try:
            return self.open.index(False, now, tomorrow_ends) - now
        except ValueError:
            return None
