"""Opening a profile's viewing day outside of heartbeats: for balances, grants and policies."""

from dataclasses import replace
from datetime import datetime

from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.repository import (
    Configuration,
    ProfileKey,
    load_last_days,
)
from watchkeeper.viewing.types import DayState, Viewer


def viewer_of(key: ProfileKey, configuration: Configuration, days: tuple[DayState, ...]) -> Viewer:
    """A viewer without sessions: enough to open days and to decide."""
    return Viewer(
        household_id=key.household_id,
        profile_id=key.profile_id,
        is_child=configuration.is_child,
        policy=configuration.policy,
        day_settings=configuration.day_settings,
        days=days,
    )


async def load_viewer(
    unit: UnitOfWork, key: ProfileKey, configuration: Configuration, now: datetime
) -> Viewer:
    """The viewer with the stored days around `now`. Query cost: 1 statement."""
    days = await load_last_days(unit, key.household_id, [key.profile_id], now)
    return viewer_of(key, configuration, days.get(key.profile_id, ()))


def with_days(viewer: Viewer, changed: tuple[DayState, ...]) -> Viewer:
    """The viewer as it is once `changed` days have been stored."""
    merged = {state.day.starts_at: state for state in viewer.days}
    merged |= {state.day.starts_at: replace(state, is_new=False) for state in changed}
    return replace(viewer, days=tuple(merged[starts_at] for starts_at in sorted(merged)))
