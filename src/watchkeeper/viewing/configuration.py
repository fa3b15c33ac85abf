"""The configuration cache: what rarely changes about a profile, read at most once a minute.

Entries are dropped in every process by NOTIFY when a guardian saves a change, and all of them
when announcements may have been missed.
"""

from collections.abc import Sequence
from uuid import UUID

from watchkeeper.core.cache import Cache
from watchkeeper.core.config import CacheSettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.problems import NotFound
from watchkeeper.viewing.repository import Configuration, ProfileKey, load_configurations

CHANNEL = "viewing_configuration"


class ConfigurationCache:
    """Configurations by profile; the database stays the truth."""

    def __init__(self, floor: Floor, settings: CacheSettings) -> None:
        self._database = floor.database
        self.entries: Cache[ProfileKey, Configuration] = Cache(
            "viewing_configuration",
            max_entries=settings.config_entries,
            ttl_seconds=settings.config_ttl_seconds,
            monotonic=floor.clock.monotonic,
            metrics=floor.metrics,
        )
        floor.listener.on(CHANNEL, self._drop_household)
        floor.listener.on_gap(self.entries.clear)

    async def get_many(self, keys: Sequence[ProfileKey]) -> dict[ProfileKey, Configuration]:
        """The configurations of those profiles that exist; all misses are read with one query."""

        async def load(missing: Sequence[ProfileKey]) -> dict[ProfileKey, Configuration]:
            async def read(unit: UnitOfWork) -> dict[ProfileKey, Configuration]:
                return await load_configurations(unit, missing)

            return await self._database.run(read, is_replayable=True)

        return await self.entries.get_many(keys, load)

    async def get(self, key: ProfileKey) -> Configuration:
        """The configuration of one profile; raises `NotFound` when there is no such profile."""
        found = await self.get_many([key])
        if key not in found:
            raise NotFound("We couldn't find that profile.")
        return found[key]

    def announce_change(self, unit: UnitOfWork, household_id: UUID) -> None:
        """Drop the household's entries here after the commit, and in every other process."""
        unit.notify(CHANNEL, str(household_id))
        unit.after_commit(lambda: self._drop_household(str(household_id)))

    def _drop_household(self, payload: str) -> None:
        household_id = UUID(payload)
        self.entries.drop_where(lambda key: key.household_id == household_id)
