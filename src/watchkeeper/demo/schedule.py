"""What the demo family watches: drawn from a fixed seed, so that it is the same every time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from watchkeeper.viewing.types import DeviceType

DAYS = 30
_SEED = "watchkeeper-demo"


@dataclass(frozen=True, slots=True)
class Screen:
    """A device of the family."""

    device_id: str
    device_type: DeviceType
    name: str


TELEVISION = Screen("demo-living-room-tv", DeviceType.TV, "Living-room TV")


@dataclass(frozen=True, slots=True)
class Habit:
    """How one person watches. `chance` is how likely each opportunity is taken."""

    name: str
    own_screen: Screen
    chance: float
    is_child: bool


@dataclass(frozen=True, slots=True)
class Sitting:
    """One person in front of one screen: titles one after another, perhaps with a break.

    `tags` choose the titles, `pause_minutes` come in the middle, and `asks_for_more` says that a
    guardian gives a quarter of an hour more when the time is up.
    """

    starts_at: datetime
    screen: Screen
    library: str
    minutes: int
    pause_minutes: int
    asks_for_more: bool


def sittings(habit: Habit, today: date, zone: ZoneInfo) -> Iterator[Sitting]:
    """The sittings of the last 30 days and of today, in order; some of today's lie ahead."""
    for days_ago in range(DAYS, -1, -1):
        # Seeded by the distance and not by the date: the same every time, whenever it is made.
        chance = Random(f"{_SEED}:{habit.name}:{days_ago}")  # noqa: S311 - believable, not secret
        yield from _of_day(habit, today - timedelta(days=days_ago), zone, chance)


def _of_day(habit: Habit, day: date, zone: ZoneInfo, chance: Random) -> Iterator[Sitting]:
    opportunities = _opportunities(habit, is_weekend=day.isoweekday() >= 6)
    for earliest, latest, library, shortest, longest in opportunities:
        starts = chance.randint(earliest, latest)
        minutes = chance.randint(shortest, longest)
        is_on_television = chance.random() < 0.5
        pause = chance.choice((0, 0, 3, 8))
        asks_for_more = chance.random() < 0.5
        if chance.random() >= habit.chance:
            continue
        local = datetime.combine(day, time(starts // 60, starts % 60), zone)
        yield Sitting(
            starts_at=local.astimezone(UTC),
            screen=TELEVISION if is_on_television else habit.own_screen,
            library=library,
            minutes=minutes,
            pause_minutes=pause,
            asks_for_more=asks_for_more,
        )


# Minutes after midnight of the earliest and latest start, the shelf, and the minutes watched.
_Opportunity = tuple[int, int, str, int, int]


def _opportunities(habit: Habit, *, is_weekend: bool) -> Sequence[_Opportunity]:
    if not habit.is_child:
        return ((21 * 60 + 15, 22 * 60 + 15, "Films", 45, 125),)
    if is_weekend:
        return (
            (9 * 60, 10 * 60 + 30, "Series", 45, 90),
            (12 * 60 + 30, 13 * 60 + 15, "Learn", 20, 45),
            (17 * 60 + 30, 18 * 60 + 30, "Films", 60, 100),
        )
    return (
        (16 * 60 + 30, 17 * 60 + 15, "Learn", 12, 35),
        (17 * 60 + 55, 18 * 60 + 30, "Series", 40, 80),
        (19 * 60 + 50, 20 * 60 + 20, "Series", 30, 60),
    )
