"""Opening a profile's viewing day outside of heartbeats: for balances, grants and policies."""

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


async def load_viewer(
    unit: UnitOfWork, configurations: ConfigurationCache, key: ProfileKey, now: datetime
) -> tuple[Configuration, Viewer]:
    """What guardians decided about a profile now, and the viewer with the days around `now`.

    Raises `NotFound`. Query cost: 1 statement, 2 when the configuration isn't cached or has just
    changed.
    """
    stored = (await load_last_days(unit, key.household_id, [key.profile_id], now)).get(
        key.profile_id
    )
    known = await configurations.current(unit, {key: stored.version if stored else None})
    if stored is None or key not in known:
        raise NotFound("We couldn't find that profile.")
    return known[key], viewer_of(key, known[key], stored.days)


def with_days(viewer: Viewer, changed: tuple[DayState, ...]) -> Viewer:
    """The viewer as it is once `changed` days have been stored."""
    merged = {state.day.starts_at: state for state in viewer.days}
    merged |= {state.day.starts_at: replace(state, is_new=False) for state in changed}
    return replace(viewer, days=tuple(merged[starts_at] for starts_at in sorted(merged)))
