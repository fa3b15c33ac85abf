"""Between rows and values: what guardians decided, whose parts are kept as JSON.

Weekdays are keys of JSON objects, and so texts; windows are pairs of minutes after midnight.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from watchkeeper.viewing.policy_types import DateOverride, Policy, Stretch, Window
from watchkeeper.viewing.records import from_json

_SAME_NAME = (
    "weekday_limit_minutes",
    "weekend_limit_minutes",
    "educational_exempt",
    "warning_first_minutes",
    "warning_second_minutes",
    "grace_seconds",
)


def policy_from_row(row: Any, locks: Any = None) -> Policy:
    """The policy in a row of ``viewing.policies``; `locks` are pairs of instants as JSON."""
    return Policy(
        **{name: getattr(row, name) for name in _SAME_NAME},
        day_limits={int(day): limit for day, limit in from_json(row.day_limits).items()},
        windows={int(day): _windows(pairs) for day, pairs in from_json(row.windows).items()},
        overrides={
            date.fromisoformat(on): _override(one)
            for on, one in (from_json(row.overrides) or {}).items()
        },
        locks=tuple(Stretch(*map(datetime.fromisoformat, pair)) for pair in from_json(locks) or ()),
    )


def policy_columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changed fields of `Policy` as columns of ``viewing.viewers``."""
    columns = dict(changes)
    if "windows" in columns:
        columns["windows"] = {
            str(day): windows_to_json(windows) for day, windows in columns["windows"].items()
        }
    if "day_limits" in columns:
        columns["day_limits"] = {str(day): limit for day, limit in columns["day_limits"].items()}
    return columns


def windows_to_json(windows: Iterable[Window]) -> list[list[int]]:
    """Windows as they are stored."""
    return [[window.from_minute, window.to_minute] for window in windows]


def _windows(pairs: Iterable[tuple[int, int]]) -> tuple[Window, ...]:
    return tuple(Window(*pair) for pair in pairs)


def _override(stored: Mapping[str, Any]) -> DateOverride:
    windows = stored["windows"]
    return DateOverride(
        has_limit=stored["has_limit"],
        limit_minutes=stored["limit_minutes"],
        windows=None if windows is None else _windows(windows),
    )
