"""The guardians of a household: who they are, how another one joins, and how one leaves."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchkeeper.accounts import rules
from watchkeeper.accounts.passwords import Hasher
from watchkeeper.accounts.problems import (
    EmailTaken,
    OwnAccount,
    TooManyGuardians,
    WrongInvitationCode,
)
from watchkeeper.accounts.repository import (
    devices,
    households,
    invitations,
    rate_limits,
    sign_ins,
    users,
)
from watchkeeper.accounts.service.announcements import announce_ended
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.limits import CallLimits, network_of
from watchkeeper.accounts.service.pin_checks import household_of
from watchkeeper.accounts.service.sign_ins import SignIns
from watchkeeper.accounts.service.users import create_user
from watchkeeper.accounts.types import EndReason, Guardian, Invitation, NewInvitation, SignedIn
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import NotFound, Unauthenticated


@dataclass(frozen=True, slots=True)
class HouseholdGuardians:
    """The guardians of a household and those who are invited."""

    guardians: tuple[Guardian, ...]
    invitations: tuple[Invitation, ...]


class Guardians:
    """Invitations to the caller's household, and its guardians."""

    def __init__(self, floor: Floor, hasher: Hasher, limits: CallLimits, sign_ins: SignIns) -> None:
        self._floor = floor
        self._hasher = hasher
        self._limits = limits
        self._sign_ins = sign_ins

    async def list_guardians(self, principal: UserPrincipal, now: datetime) -> HouseholdGuardians:
        """The household's guardians and its open invitations. Two statements."""
        household_id = household_of(principal)

        async def read(unit: UnitOfWork) -> HouseholdGuardians:
            return HouseholdGuardians(
                tuple(await users.list_guardians(unit, household_id)),
                tuple(await invitations.list_invitations(unit, household_id, now)),
            )

        return await self._floor.database.run(read)

    async def invite(self, principal: UserPrincipal, email: str, now: datetime) -> NewInvitation:
        """A code for one person, open for seven days; an earlier one to the address is withdrawn.

        Whether the address has an account elsewhere isn't said here: who accepts learns it.
        Raises `EmailTaken` (409) for a guardian of this household, `TooManyGuardians` (409), or
        `TooManyRequests` (429). Locks the household.
        """
        household_id = household_of(principal)
        code = "".join(
            secrets.choice(rules.PAIRING_ALPHABET) for _ in range(rules.INVITATION_CODE_LENGTH)
        )
        invitation = Invitation(
            id=new_id(),
            household_id=household_id,
            email=email,
            invited_by=None,
            created_at=now,
            expires_at=now + rules.INVITATION_VALID_FOR,
        )

        async def store(unit: UnitOfWork) -> NewInvitation:
            limits = self._limits
            await limits.admit(unit, limits.invitations_of_household, str(household_id), now)
            await self._check_room(unit, household_id, email, now)
            await invitations.insert_invitation(
                unit, self._hash(code), invitation, created_by=principal.user_id
            )
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action="invitation.created",
                subject=f"invitation:{invitation.id}",
                after={"email": email},
            )
            return NewInvitation(rules.in_groups(code), invitation)

        return await self._floor.database.run(store)

    @staticmethod
    async def _check_room(unit: UnitOfWork, household_id: UUID, email: str, now: datetime) -> None:
        if await households.find_household(unit, household_id, with_lock=True) is None:
            raise NotFound
        guardians = await users.list_guardians(unit, household_id)
        if any(guardian.email.lower() == email.lower() for guardian in guardians):
            raise EmailTaken("This person is a guardian of your household already.")
        invited = await invitations.count_others(unit, household_id, email, now)
        if len(guardians) + invited >= rules.GUARDIANS_PER_HOUSEHOLD:
            raise TooManyGuardians(
                f"A household can have at most {rules.GUARDIANS_PER_HOUSEHOLD} guardians, open "
                "invitations included."
            )

    def _hash(self, code: str) -> bytes:
        key = self._floor.secrets.pin_pepper
        return hmac.new(key, b"invitation:" + code.encode(), hashlib.sha256).digest()

    async def withdraw(self, principal: UserPrincipal, invitation_id: UUID, now: datetime) -> None:
        """Make an invitation's code worthless; raises `NotFound` (404)."""
        household_id = household_of(principal)

        async def withdraw(unit: UnitOfWork) -> None:
            invitation = await invitations.withdraw_invitation(unit, household_id, invitation_id)
            if invitation is None:
                raise NotFound
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action="invitation.withdrawn",
                subject=f"invitation:{invitation_id}",
                before={"email": invitation.email},
            )

        await self._floor.database.run(withdraw)

    async def accept(
        self, code: str, password: str, *, address: str | None, client: str, now: datetime
    ) -> SignedIn:
        """Make the invited person a guardian with a sign-in of their own, and sign them in.

        The address is that of the invitation. A wrong code costs one of five tries that its
        network address has in ten minutes. Raises `WrongInvitationCode` (403), `EmailTaken` (409),
        `TooManyRequests` (429), or `Overloaded` (503).
        """
        code_hash = self._hash(code)
        network = network_of(address)
        limits = self._limits

        async def find(unit: UnitOfWork) -> UUID | None:
            await rate_limits.forget_stale(unit, now, at_most=10)
            await limits.admit(unit, limits.wrong_invitations_from_address, network, now)
            household_id = await invitations.find_household_of_code(unit, code_hash, now)
            if household_id is not None:
                await rate_limits.give_call_back(
                    unit, limits.wrong_invitations_from_address, network
                )
            return household_id

        # The refusal comes after the commit, because the try that it costs must stay.
        household_id = await self._floor.database.run(find)
        if household_id is None:
            raise WrongInvitationCode
        invited_to = household_id
        password_hash = await self._floor.hashing.run(self._hasher.hash_password, password)

        async def join(unit: UnitOfWork) -> SignedIn:
            # Before the invitation, as whoever deletes the household does.
            await households.find_household(unit, invited_to, with_lock=True)
            invitation = await invitations.use_invitation(unit, code_hash, now)
            if invitation is None:
                raise WrongInvitationCode
            user_id = await self._join(unit, invitation, password_hash, now)
            user = await users.find_user(unit, user_id)
            assert user is not None
            return await self._sign_ins.start(unit, user, client=client, now=now)

        return await self._floor.database.run(join)

    @staticmethod
    async def _join(
        unit: UnitOfWork, invitation: Invitation, password_hash: str, now: datetime
    ) -> UUID:
        user_id = await create_user(
            unit,
            email=invitation.email,
            password_hash=password_hash,
            roles=[Role.GUARDIAN],
            household_id=invitation.household_id,
            is_demo=False,
            now=now,
        )
        await record_audit(
            unit,
            invitation.household_id,
            at=now,
            actor=f"user:{user_id}",
            action="guardian.joined",
            subject=f"user:{user_id}",
            after={"email": invitation.email, "invitation_id": str(invitation.id)},
        )
        return user_id

    async def remove(self, principal: UserPrincipal, user_id: UUID, now: datetime) -> None:
        """Delete another guardian's account; its sign-ins end at once.

        Codes and invitations that it made are withdrawn. Of two who remove each other one stays.
        Announces `SignInEnded`. Raises `OwnAccount` (409) or `NotFound` (404). Locks the household.
        """
        household_id = household_of(principal)
        if user_id == principal.user_id:
            raise OwnAccount

        async def remove(unit: UnitOfWork) -> None:
            await households.find_household(unit, household_id, with_lock=True)
            known = {one.id: one for one in await users.list_guardians(unit, household_id)}
            if principal.user_id not in known:
                raise Unauthenticated(log="the caller was removed meanwhile")
            if user_id not in known:
                raise NotFound
            await devices.delete_codes_of_user(unit, household_id, user_id)
            await invitations.delete_invitations_of_user(unit, household_id, user_id)
            ended = await sign_ins.end_sign_ins_of_user(
                unit, user_id, EndReason.GUARDIAN_REMOVED, now
            )
            await announce_ended(unit, ended, EndReason.GUARDIAN_REMOVED, now)
            await users.delete_guardian(unit, household_id, user_id)
            await record_audit(
                unit,
                household_id,
                at=now,
                actor=principal,
                action="guardian.removed",
                subject=f"user:{user_id}",
                before={"email": known[user_id].email},
            )

        await self._floor.database.run(remove)
