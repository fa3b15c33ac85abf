"""Wire shapes of a household's guardians, its trail and its deletion (03, section 6)."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from watchkeeper.accounts import rules
from watchkeeper.accounts.schemas import Email, GivenPassword, NewPassword
from watchkeeper.accounts.service.audit_trail import AuditPage
from watchkeeper.accounts.service.guardians import HouseholdGuardians
from watchkeeper.accounts.types import (
    ActorKind,
    AuditEntry,
    Deleted,
    Invitation,
    NewInvitation,
    Receipt,
)
from watchkeeper.core.schemas import Answer, Instant, Request


def _check_code(typed: str) -> str:
    code = rules.normalise_invitation_code(typed)
    if code is None:
        raise ValueError("must be the twelve letters and digits of an invitation")
    return code


class InvitationRequest(Request):
    """Who shall become a guardian of this household."""

    email: Email


class AcceptRequest(Request):
    """An invited person gives the code, and a password of their own."""

    code: Annotated[str, StringConstraints(max_length=40), AfterValidator(_check_code)]
    password: NewPassword


class InvitationItem(Answer):
    """An open invitation."""

    id: UUID
    email: str
    invited_by: str | None
    created_at: Instant
    expires_at: Instant

    @classmethod
    def of(cls, invitation: Invitation) -> "InvitationItem":
        return cls(
            id=invitation.id,
            email=invitation.email,
            invited_by=invitation.invited_by,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )


class InvitationAnswer(Answer):
    """A code to hand over, shown once."""

    id: UUID
    code: str
    email: str
    expires_at: Instant

    @classmethod
    def of(cls, made: NewInvitation) -> "InvitationAnswer":
        return cls(
            id=made.invitation.id,
            code=made.code,
            email=made.invitation.email,
            expires_at=made.invitation.expires_at,
        )


class GuardianItem(Answer):
    """A guardian; `is_you` marks the caller."""

    id: UUID
    email: str
    joined_at: Instant
    is_you: bool


class GuardiansAnswer(Answer):
    """Who looks after the household, and who is invited to."""

    guardians: list[GuardianItem]
    invitations: list[InvitationItem]

    @classmethod
    def of(cls, found: HouseholdGuardians, caller: UUID) -> "GuardiansAnswer":
        return cls(
            guardians=[
                GuardianItem(
                    id=one.id, email=one.email, joined_at=one.joined_at, is_you=one.id == caller
                )
                for one in found.guardians
            ],
            invitations=[InvitationItem.of(one) for one in found.invitations],
        )


class AuditQuery(BaseModel):
    """Which lines of the trail are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile_id: UUID | None = Field(default=None, description="Only what is about this profile.")
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] | None = Field(
        default=None, description="Only actions that begin so: `grant`, `device`, `pin` …"
    )
    cursor: Annotated[str, StringConstraints(max_length=300)] | None = Field(
        default=None, description="`next_cursor` of the page before."
    )


class ActorAnswer(Answer):
    """Who acted; the name is null for what is gone."""

    kind: ActorKind
    name: str | None


class SubjectAnswer(Answer):
    """What it was done to; the name is null for what is gone."""

    kind: str
    id: str
    name: str | None


class AuditItem(Answer):
    """One line: who did what to what, and what it was before and after."""

    id: UUID
    at: Instant
    actor: ActorAnswer
    action: str
    subject: SubjectAnswer
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditItem":
        return cls(
            id=entry.id,
            at=entry.at,
            actor=ActorAnswer(kind=entry.actor.kind, name=entry.actor.name),
            action=entry.action,
            subject=SubjectAnswer(
                kind=entry.subject.kind, id=entry.subject.id, name=entry.subject.name
            ),
            before=entry.before,
            after=entry.after,
        )


class AuditAnswer(Answer):
    """A page of the trail, newest first; `next_cursor` is null after the last one."""

    entries: list[AuditItem]
    next_cursor: str | None

    @classmethod
    def of(cls, page: AuditPage, next_cursor: str | None) -> "AuditAnswer":
        return cls(entries=[AuditItem.of(entry) for entry in page.entries], next_cursor=next_cursor)


class DeletionRequest(Request):
    """The household is deleted by somebody who knows their password."""

    password: GivenPassword


class ReceiptAnswer(Answer):
    """What was deleted and when, and how many rows by table; it holds nothing about anybody."""

    id: UUID
    kind: Deleted
    deleted_at: Instant
    rows_by_table: dict[str, int]

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptAnswer":
        return cls(
            id=receipt.id,
            kind=receipt.kind,
            deleted_at=receipt.deleted_at,
            rows_by_table=receipt.rows_by_table,
        )
