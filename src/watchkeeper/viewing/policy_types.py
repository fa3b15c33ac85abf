"""What guardians decide, as frozen values: limits, hours, days, locks.

Source: viewing time, sections 1 and 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time ``[starts_at, ends_at)``: of a lock, or of hours that a grant opened."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Allowed hours that begin on one local date, in minutes after its midnight.

    ``from_minute`` is 0 to 1439, ``to_minute`` 0 to 1440 and another one; one that isn't later
    lies on the following date.
    """

    from_minute: int
    to_minute: int


@dataclass(frozen=True, slots=True)
class DateOverride:
    """What a guardian decided for one date, such as a holiday or a sick day.

    ``limit_minutes`` counts only with ``has_limit`` (None is then unlimited). ``windows`` None
    leaves the weekday's windows in force; empty opens the whole date.
    """

    has_limit: bool = False
    limit_minutes: int | None = None
    windows: tuple[Window, ...] | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the guardians decided for one profile.

    ``None`` as a limit means unlimited. ``grace_seconds`` is how long a player that can't reach
    the service plays on (0 to 900). ``day_limits`` and ``windows`` are by ISO weekday (Monday 1 to
    Sunday 7): a limit there comes before those of weekdays and weekend days, and a weekday without
    windows is open all day. ``overrides`` and ``locks`` are those that may still matter: the
    repository leaves out what is long past.
    """

    weekday_limit_minutes: int | None = 120
    weekend_limit_minutes: int | None = 180
    educational_exempt: bool = True
    warning_first_minutes: int = 15
    warning_second_minutes: int = 5
    grace_seconds: int = 120
    day_limits: Mapping[int, int | None] = field(default_factory=dict)
    windows: Mapping[int, tuple[Window, ...]] = field(default_factory=dict)
    overrides: Mapping[date, DateOverride] = field(default_factory=dict)
    locks: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class DaySettings:
    """How a household draws its days; belongs to the household and not to a child.

    ``timezone`` is an IANA name, ``reset_hour`` 0 to 23 in local time, ``weekend_days`` are ISO
    weekdays (Monday 1 to Sunday 7).
    """

    timezone: str
    reset_hour: int = 6
    weekend_days: frozenset[int] = frozenset({6, 7})
