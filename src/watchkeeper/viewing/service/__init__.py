"""Use cases of viewing time, one module each, put together as `Viewing`."""

from watchkeeper.core.config import CacheSettings
from watchkeeper.core.floor import Floor
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.service.balances import Balances
from watchkeeper.viewing.service.grants import Grants
from watchkeeper.viewing.service.heartbeats import Heartbeats
from watchkeeper.viewing.service.locks import Locks
from watchkeeper.viewing.service.overrides import Overrides
from watchkeeper.viewing.service.policies import Policies
from watchkeeper.viewing.service.requests import TimeRequests
from watchkeeper.viewing.service.rule_changes import RuleChanges
from watchkeeper.viewing.service.title_overrides import TitleOverrides


class Viewing:
    """The use cases that share one configuration cache."""

    def __init__(self, floor: Floor, cache: CacheSettings) -> None:
        self.configurations = ConfigurationCache(floor, cache)
        self.heartbeats = Heartbeats(floor, self.configurations)
        self.balances = Balances(floor, self.configurations)
        changes = RuleChanges(floor, self.configurations)
        self.policies = Policies(floor, self.configurations, changes)
        self.overrides = Overrides(floor, changes)
        self.locks = Locks(floor, changes)
        self.grants = Grants(floor, self.configurations)
        self.requests = TimeRequests(floor, self.configurations, self.grants)
        self.title_overrides = TitleOverrides(floor)


__all__ = [
    "Balances",
    "Grants",
    "Heartbeats",
    "Locks",
    "Overrides",
    "Policies",
    "TimeRequests",
    "TitleOverrides",
    "Viewing",
]
