"""Opening a profile's viewing day outside of heartbeats: for balances, grants and policies."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.repository import Configuration, ProfileKey, load_last_days
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


async def load_viewers_of(
    unit: UnitOfWork,
    configurations: ConfigurationCache,
    keys: Sequence[ProfileKey],
    now: datetime,
) -> dict[ProfileKey, tuple[Configuration, Viewer]]:
    """What guardians decided about profiles, and viewers with the days around `now`.

    Profiles that don't exist are left out. Query cost: 1 statement for any number, 2 when
    configurations aren't cached or have just changed.
    """
    stored = await load_last_days(unit, keys, now)
    versions = {key: found.version for key, found in stored.items()}
    known = await configurations.current(unit, versions)
    return {
        key: (configuration, viewer_of(key, configuration, stored[key].days))
        for key, configuration in known.items()
    }


async def load_viewer(
    unit: UnitOfWork, configurations: ConfigurationCache, key: ProfileKey, now: datetime
) -> tuple[Configuration, Viewer]:
    """The same for one profile; raises `NotFound`."""
    found = await load_viewers_of(unit, configurations, [key], now)
    if key not in found:
        raise NotFound("We couldn't find that profile.")
    return found[key]


def with_days(viewer: Viewer, changed: tuple[DayState, ...]) -> Viewer:
    """The viewer as it is once `changed` days have been stored."""
    merged = {state.day.starts_at: state for state in viewer.days}
    merged |= {state.day.starts_at: replace(state, is_new=False) for state in changed}
    return replace(viewer, days=tuple(merged[starts_at] for starts_at in sorted(merged)))
