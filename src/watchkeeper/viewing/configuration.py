"""The configuration cache: what rarely changes about a profile, read at most once a minute.

Entries are dropped in every process by NOTIFY when a guardian saves a change, and all of them
when announcements may have been missed. Whoever reads a profile's rows also reads its version, and
so never decides by what another process has changed a moment ago.
"""

from collections.abc import Mapping, Sequence
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
        self._clock = floor.clock
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
                return await load_configurations(unit, missing, self._clock.now())

            return await self._database.run(read, is_replayable=True)

        return await self.entries.get_many(keys, load)

    async def get(self, key: ProfileKey) -> Configuration:
        """The configuration of one profile; raises `NotFound` when there is no such profile."""
        found = await self.get_many([key])
        if key not in found:
            raise NotFound("We couldn't find that profile.")
        return found[key]

    async def current(
        self, unit: UnitOfWork, versions: Mapping[ProfileKey, int | None]
    ) -> dict[ProfileKey, Configuration]:
        """The configurations of the profiles that exist, as `unit` sees them.

        `versions` are those that the profiles' rows have now, None for a profile that is gone.
        What isn't remembered in that version is read in the same transaction. Query cost: none, or
        1 statement for any number.
        """
        there = [key for key, version in versions.items() if version is not None]
        found = self.entries.find_many(
            there, is_current=lambda key, known: known.version == versions[key]
        )
        missing = [key for key in there if key not in found]
        if missing:
            read = await load_configurations(unit, missing, self._clock.now())
            self.entries.keep(read)
            found |= read
        return found

    def announce_change(self, unit: UnitOfWork, household_id: UUID) -> None:
        """Drop the household's entries here after the commit, and in every other process."""
        unit.notify(CHANNEL, str(household_id))
        unit.after_commit(lambda: self._drop_household(str(household_id)))

    def _drop_household(self, payload: str) -> None:
        household_id = UUID(payload)
        self.entries.drop_where(lambda key: key.household_id == household_id)
