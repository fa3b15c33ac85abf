"""Who did what to a household: one line for every act that a family may ask about later."""

from datetime import datetime
from typing import Any
from uuid import UUID

from watchkeeper.accounts.repository.audit_trail import append_audit
from watchkeeper.core.auth import DevicePrincipal, Principal
from watchkeeper.core.database import UnitOfWork


def actor_name(principal: Principal) -> str:
    """How the trail names who acted: `user:<id>` or `device:<device id>`."""
    if isinstance(principal, DevicePrincipal):
        return f"device:{principal.device_id}"
    return f"user:{principal.user_id}"


async def record_audit(
    unit: UnitOfWork,
    household_id: UUID,
    *,
    at: datetime,
    actor: Principal | str,
    action: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add a line to a household's audit trail, in the transaction of the act itself.

    `actor` is the caller, or a word such as ``cli``; `action` a past-tense name with a dot,
    `subject` what it was done to, as ``kind:id``; `before` and `after` are JSON values without
    secrets. The request id is the current request's. Raises `NotFound` (404) when the household
    was deleted meanwhile.
    """
    await append_audit(
        unit,
        household_id,
        at=at,
        actor=actor if isinstance(actor, str) else actor_name(actor),
        action=action,
        subject=subject,
        before=before,
        after=after,
    )
