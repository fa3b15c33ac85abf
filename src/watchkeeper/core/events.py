"""Facts that one domain announces and another reacts to, inside the same transaction.

A lower domain can't call a higher one, so it announces a past-tense fact; `app.py` wires the
subscribers. Reactions run in the announcing transaction: they succeed or fail with it.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchkeeper.core.database import UnitOfWork

Reaction = Callable[["UnitOfWork", Any], Awaitable[None]]


class Subscriptions:
    """Which reactions follow which fact; filled once, when the service is put together."""

    def __init__(self) -> None:
        self._reactions: defaultdict[type[Any], list[Reaction]] = defaultdict(list)

    def on(self, fact: type[Any], reaction: Reaction) -> None:
        """Run `reaction` whenever a fact of this class is announced."""
        self._reactions[fact].append(reaction)

    async def announce(self, unit: "UnitOfWork", fact: object) -> None:
        """Run the reactions to `fact` in the order in which they were added."""
        for reaction in self._reactions[type(fact)]:
            await reaction(unit, fact)
