"""`/households`: its guardians and invitations, the trail of what was done, its deletion."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response, status

from watchkeeper.accounts.dependencies import (
    CurrentGuardian,
    ElevatedGuardian,
    Now,
    TheAccounts,
)
from watchkeeper.accounts.household_schemas import (
    AcceptRequest,
    AuditAnswer,
    AuditQuery,
    DeletionRequest,
    GuardiansAnswer,
    InvitationAnswer,
    InvitationRequest,
    ReceiptAnswer,
)
from watchkeeper.accounts.repository.audit_trail import AuditFilter
from watchkeeper.accounts.router.refresh_cookie import clear_cookie
from watchkeeper.accounts.router.signed_in import address_of, answer_with_tokens, client_of
from watchkeeper.accounts.schemas import SignInAnswer
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import InvalidRequest

router = APIRouter(
    prefix="/households", tags=["households"], responses=problem_responses(401, 403, 404, 409, 429)
)


@router.get("/guardians")
async def list_guardians(
    guardian: CurrentGuardian, accounts: TheAccounts, now: Now
) -> GuardiansAnswer:
    """Who looks after the household, and who is invited to."""
    found = await accounts.guardians.list_guardians(guardian, now)
    return GuardiansAnswer.of(found, guardian.user_id)


@router.delete("/guardians/{id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_guardian(
    user_id: Annotated[UUID, Path(alias="id")],
    guardian: ElevatedGuardian,
    accounts: TheAccounts,
    now: Now,
) -> None:
    """Remove another guardian; their sign-ins end at once."""
    await accounts.guardians.remove(guardian, user_id, now)


@router.post("/invitations", status_code=status.HTTP_201_CREATED)
async def invite(
    body: InvitationRequest, guardian: ElevatedGuardian, accounts: TheAccounts, now: Now
) -> InvitationAnswer:
    """A code to hand over; it makes one person a guardian, within seven days."""
    return InvitationAnswer.of(await accounts.guardians.invite(guardian, body.email, now))


@router.post("/invitations/accept", status_code=status.HTTP_201_CREATED)
async def accept_invitation(
    body: AcceptRequest, request: Request, response: Response, accounts: TheAccounts, now: Now
) -> SignInAnswer:
    """Give a code, and become a guardian with a sign-in of one's own; needs no sign-in."""
    signed_in = await accounts.guardians.accept(
        body.code,
        body.password,
        address=address_of(request),
        client=client_of(request),
        now=now,
    )
    return answer_with_tokens(request, response, signed_in, now)


@router.delete("/invitations/{id}", status_code=status.HTTP_204_NO_CONTENT)
async def withdraw_invitation(
    invitation_id: Annotated[UUID, Path(alias="id")],
    guardian: ElevatedGuardian,
    accounts: TheAccounts,
    now: Now,
) -> None:
    """Make an invitation's code worthless."""
    await accounts.guardians.withdraw(guardian, invitation_id, now)


@router.post("/deletion")
async def delete_household(
    body: DeletionRequest,
    response: Response,
    guardian: ElevatedGuardian,
    accounts: TheAccounts,
    now: Now,
) -> ReceiptAnswer:
    """Delete the household and all that is kept about it, at once; everybody is signed out."""
    receipt = await accounts.deletions.delete_household(guardian, body.password, now)
    clear_cookie(response)
    return ReceiptAnswer.of(receipt)


@router.get("/audit")
async def list_audit(
    request: Request,
    wanted: Annotated[AuditQuery, Query()],
    guardian: ElevatedGuardian,
    accounts: TheAccounts,
) -> AuditAnswer:
    """Who did what to the household and when, newest first, 50 a page."""
    _, key = request.app.state.floor.secrets.signing_key
    page = await accounts.audit_trail.list_page(
        guardian, AuditFilter(wanted.profile_id, wanted.kind), _position(key, wanted.cursor)
    )
    following = page.following
    cursor = following and write_cursor(key, ["audit", following[0].isoformat(), str(following[1])])
    return AuditAnswer.of(page, cursor)


def _position(key: bytes, cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    position = read_cursor(key, cursor)
    if position[:1] != ["audit"]:
        raise InvalidRequest.field("cursor", "belongs to another list")
    return datetime.fromisoformat(position[1]), UUID(position[2])
