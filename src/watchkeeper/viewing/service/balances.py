"""What a profile has used and may still watch today; reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.repository import Configuration, ProfileKey
from watchkeeper.viewing.rules.decision import decide
from watchkeeper.viewing.service.days import load_viewer, load_viewers_of
from watchkeeper.viewing.types import Decision


@dataclass(frozen=True, slots=True)
class Balance:
    """A profile's present decision and the configuration that it follows from."""

    key: ProfileKey
    configuration: Configuration
    decision: Decision


class Balances:
    """Answers without charging anything or making days."""

    def __init__(self, floor: Floor, configurations: ConfigurationCache) -> None:
        self._floor = floor
        self._configurations = configurations

    async def get(self, key: ProfileKey) -> Balance:
        """The balance of a profile, for a title that counts.

        Raises `NotFound`. Query cost: 1 statement, 2 when the configuration isn't cached.
        """
        now = self._floor.clock.now()

        async def work(unit: UnitOfWork) -> Balance:
            configuration, viewer = await load_viewer(unit, self._configurations, key, now)
            return Balance(key, configuration, decide(viewer, now))

        return await self._floor.database.run(work, is_replayable=True)

    async def get_many(
        self, keys: Sequence[ProfileKey]
    ) -> tuple[datetime, dict[ProfileKey, Balance]]:
        """The balances of those profiles that exist, of any households, and their instant.

        Query cost: 1 statement for any number, 2 when configurations aren't cached.
        """
        now = self._floor.clock.now()
        if not keys:
            return now, {}

        async def work(unit: UnitOfWork) -> dict[ProfileKey, Balance]:
            found = await load_viewers_of(unit, self._configurations, keys, now)
            return {
                key: Balance(key, configuration, decide(viewer, now))
                for key, (configuration, viewer) in found.items()
            }

        return now, await self._floor.database.run(work, is_replayable=True)
