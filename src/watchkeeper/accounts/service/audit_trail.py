"""Reading a household's audit trail."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts.repository.audit_trail import AuditFilter, list_audit
from watchkeeper.accounts.service.pin_checks import household_of
from watchkeeper.accounts.types import AuditEntry
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines, newest first, and where the next page begins (None after the last)."""

    entries: tuple[AuditEntry, ...]
    following: tuple[datetime, UUID] | None


class AuditTrail:
    """What was done to the caller's household, by whom and when."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def list_page(
        self,
        principal: UserPrincipal,
        wanted: AuditFilter,
        before: tuple[datetime, UUID] | None,
    ) -> AuditPage:
        """A page of `PAGE_SIZE` lines. One statement."""
        household_id = household_of(principal)

        async def read(unit: UnitOfWork) -> list[AuditEntry]:
            return await list_audit(
                unit, household_id, wanted, before=before, at_most=PAGE_SIZE + 1
            )

        found = await self._floor.database.run(read, is_replayable=True)
        shown = tuple(found[:PAGE_SIZE])
        has_more = len(found) > PAGE_SIZE
        return AuditPage(shown, (shown[-1].at, shown[-1].id) if has_more else None)
