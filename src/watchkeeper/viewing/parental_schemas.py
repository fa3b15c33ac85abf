"""Wire shapes of what guardians decide: limits, windows, overrides, locks (03, section 6).

Weekdays are `mon` to `sun`, times of day `07:30` in the household's zone.
"""

from collections.abc import Iterable, Mapping
from datetime import date as Date  # noqa: N812 - a field is called date
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from watchkeeper.core.schemas import Answer, Instant, Request
from watchkeeper.viewing.policy_types import DateOverride, Stretch, Window

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
WINDOWS_PER_DAY = 10
_END_OF_DATE = 24 * 60


def _on_grid(limit: int | None) -> int | None:
    if limit is not None and limit % 15:
        raise ValueError("must be a multiple of 15 minutes, or null for no limit")
    return limit


Limit = Annotated[Annotated[int, Field(ge=15, le=480)] | None, AfterValidator(_on_grid)]


class WindowPart(Request):
    """Allowed hours of a date; `to` that isn't later than `from` lies on the following date."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: str = Field(alias="from", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["07:00"])
    to: str = Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", examples=["20:00"])

    @field_validator("to")
    @classmethod
    def _not_the_same(cls, to: str, info: ValidationInfo) -> str:
        if to == info.data.get("from_"):
            raise ValueError("must differ from the beginning; a whole date is 00:00 to 24:00")
        return to

    def window(self) -> Window:
        """The window in minutes after midnight."""
        return Window(_minutes(self.from_), _minutes(self.to))

    @classmethod
    def of(cls, window: Window) -> "WindowPart":
        """The wire shape of a window."""
        return cls(from_=_time_of_day(window.from_minute), to=_time_of_day(window.to_minute))


def _minutes(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 60 + int(minutes)


def _time_of_day(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


Windows = Annotated[list[WindowPart], Field(max_length=WINDOWS_PER_DAY)]


class ViewingTimeRequest(Request):
    """Settings to change: fields left out stay, a null limit means unlimited.

    `day_limits` and `windows` are replaced as a whole: a weekday that isn't in them has the limit
    of weekdays or weekend days, or is open all day.
    """

    weekday_limit_minutes: Limit = None
    weekend_limit_minutes: Limit = None
    day_limits: dict[Weekday, Limit] = Field(default_factory=dict)
    windows: dict[Weekday, Windows] = Field(default_factory=dict)
    reset_hour: int = Field(6, ge=0, le=23)
    educational_exempt: bool = True
    timezone: str = "UTC"
    weekend_days: list[Weekday] = Field(default_factory=list, max_length=7)
    warning_threshold_minutes: list[int] = Field(default_factory=lambda: [15, 5])
    grace_seconds: int = Field(120, ge=0, le=900)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("is not an IANA time zone such as Europe/Madrid")
        return zone

    @field_validator("warning_threshold_minutes")
    @classmethod
    def _two_falling(cls, thresholds: list[int]) -> list[int]:
        is_pair = len(thresholds) == 2
        if not is_pair or not 240 >= thresholds[0] > thresholds[1] >= 1:
            raise ValueError("must be two numbers of minutes from 240 to 1, the larger first")
        return thresholds

    def policy_values(self) -> dict[str, Any]:
        """The given fields that belong to the profile, as fields of `Policy`."""
        own = self.model_fields_set - {"reset_hour", "timezone", "weekend_days"}
        given = {name: getattr(self, name) for name in own}
        thresholds = given.pop("warning_threshold_minutes", None)
        if thresholds is not None:
            given["warning_first_minutes"], given["warning_second_minutes"] = thresholds
        if "day_limits" in given:
            given["day_limits"] = {number_of(day): one for day, one in self.day_limits.items()}
        if "windows" in given:
            given["windows"] = {
                number_of(day): tuple(part.window() for part in parts)
                for day, parts in self.windows.items()
                if parts
            }
        return given

    def household_values(self) -> dict[str, Any]:
        """The given fields that belong to the household, as fields of `DaySettings`."""
        given = self.model_dump(include=self.model_fields_set & {"reset_hour", "timezone"})
        if "weekend_days" in self.model_fields_set:
            given["weekend_days"] = frozenset(map(number_of, self.weekend_days))
        return given


def number_of(day: Weekday) -> int:
    """The ISO number of a weekday, Monday 1."""
    return WEEKDAYS.index(day) + 1


def names_of(days: Iterable[int]) -> list[Weekday]:
    """The names of ISO weekdays, in order."""
    return [WEEKDAYS[day - 1] for day in sorted(days)]


def by_name(limits: Mapping[int, int | None]) -> dict[Weekday, int | None]:
    """Limits by name of the weekday, in order."""
    return {WEEKDAYS[day - 1]: limits[day] for day in sorted(limits)}


def parts_of(windows: Mapping[int, Iterable[Window]]) -> dict[Weekday, list[WindowPart]]:
    """Windows by name of the weekday, in order."""
    return {WEEKDAYS[day - 1]: list(map(WindowPart.of, windows[day])) for day in sorted(windows)}


class PendingChange(Answer):
    """Zone and reset hour that are saved and take effect when the present day ends."""

    timezone: str
    reset_hour: int
    takes_effect_at: Instant
    applies_to: str = Field(
        "household", description="Zone and reset hour hold for every child of the household."
    )


class LockPart(Answer):
    """The lock that holds now."""

    locked_at: Instant
    locked_until: Instant

    @classmethod
    def of(cls, lock: Stretch | None) -> "LockPart | None":
        """The wire shape of a lock."""
        if lock is None:
            return None
        return cls(locked_at=lock.starts_at, locked_until=lock.ends_at)


class OverridePart(Answer):
    """What holds on a date instead of the usual rules; null windows are those of its weekday."""

    date: Date
    has_limit: bool
    limit_minutes: int | None = Field(description="With has_limit, null means unlimited.")
    windows: list[WindowPart] | None = Field(description="Empty: open all day.")

    @classmethod
    def of(cls, on: Date, override: DateOverride) -> Self:
        """The wire shape of an override."""
        windows = override.windows
        return cls(
            date=on,
            has_limit=override.has_limit,
            limit_minutes=override.limit_minutes,
            windows=None if windows is None else list(map(WindowPart.of, windows)),
        )


class ViewingTimeResponse(Answer):
    """A child's settings; `overrides` are those of today and later."""

    profile_id: UUID
    profile_name: str
    weekday_limit_minutes: int | None
    weekend_limit_minutes: int | None
    day_limits: dict[Weekday, int | None]
    windows: dict[Weekday, list[WindowPart]]
    overrides: list[OverridePart]
    lock: LockPart | None
    reset_hour: int
    educational_exempt: bool
    timezone: str
    weekend_days: list[Weekday]
    warning_threshold_minutes: list[int]
    grace_seconds: int
    pending: PendingChange | None


class OverrideRequest(Request):
    """What holds on one date: a limit (null is unlimited), windows (`[]`: all day), or both."""

    limit_minutes: Limit = None
    windows: Windows = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("limit_minutes or windows is needed")
        return self

    def override(self) -> DateOverride:
        """The override that is meant."""
        windows = None
        if "windows" in self.model_fields_set:
            windows = tuple(part.window() for part in self.windows)
        return DateOverride("limit_minutes" in self.model_fields_set, self.limit_minutes, windows)


class LockRequest(Request):
    """Until when play is locked; without it until the viewing day ends."""

    until: Annotated[AwareDatetime, Field(strict=False)] | None = None
