"""Signing in, staying signed in, and signing out."""

import hashlib
import secrets
from datetime import datetime, timedelta

from watchkeeper.accounts.passwords import Hasher, decoy_hash
from watchkeeper.accounts.problems import WrongCredentials
from watchkeeper.accounts.repository import rate_limits, sign_ins, users
from watchkeeper.accounts.service.announcements import announce_ended
from watchkeeper.accounts.service.auditing import record_audit
from watchkeeper.accounts.service.confirmation import Confirmation
from watchkeeper.accounts.service.limits import CallLimits, network_of
from watchkeeper.accounts.types import EndReason, SignedIn, SignInState, User
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.config import SecuritySettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.ids import new_id
from watchkeeper.core.problems import Unauthenticated

_TOKEN_BYTES = 32
_TOKEN_PREFIX = "wkr_"  # noqa: S105 - says what the text is, so that leaks can be searched for


def token_hash(token: str) -> bytes:
    """What is stored of a refresh token; its 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


class SignIns:
    """Sign-ins and their refresh tokens."""

    def __init__(
        self,
        floor: Floor,
        settings: SecuritySettings,
        hasher: Hasher,
        limits: CallLimits,
        confirmation: Confirmation,
    ) -> None:
        self._floor = floor
        self._access_valid_for = timedelta(seconds=settings.access_token_seconds)
        self._refresh_valid_for = timedelta(days=settings.refresh_token_days)
        self._hasher = hasher
        self._limits = limits
        self._confirmation = confirmation
        self._decoy_hash = decoy_hash()

    async def sign_in(
        self, email: str, password: str, *, address: str | None, client: str, now: datetime
    ) -> SignedIn:
        """Start a sign-in. Unknown addresses cost the same work as wrong passwords.

        Raises `WrongCredentials` (401), `TooManyRequests` (429), or `Overloaded` (503).
        """
        user = await self._admit(email, address, now)
        stored = user.password_hash if user else self._decoy_hash
        is_right, better = await self._floor.hashing.run(
            self._hasher.check_password, password, stored
        )
        if user is None or not is_right or user.disabled_at is not None:
            raise WrongCredentials(log="wrong password, unknown or disabled account")
        checked = user

        async def start(unit: UnitOfWork) -> SignedIn:
            current = await users.find_user(unit, checked.id, with_lock=True)
            if (
                current is None
                or current.password_changed_at != checked.password_changed_at
                or current.disabled_at is not None
            ):
                raise WrongCredentials(log="the account changed during the sign-in")
            if better is not None:
                await users.upgrade_hash(unit, checked.id, stored=stored, better=better)
            return await self.start(unit, current, client=client, now=now)

        return await self._floor.database.run(start)

    async def _admit(self, email: str, address: str | None, now: datetime) -> User | None:
        limits = self._limits

        async def admit(unit: UnitOfWork) -> User | None:
            await rate_limits.forget_stale(unit, now, at_most=10)
            await limits.admit(unit, limits.sign_in_from_address, network_of(address), now)
            await limits.admit(unit, limits.password_of_account, email.lower(), now)
            return await users.find_user_by_email(unit, email)

        return await self._floor.database.run(admit)

    async def start(self, unit: UnitOfWork, user: User, *, client: str, now: datetime) -> SignedIn:
        """Start a sign-in of somebody who has just given the password."""
        principal = UserPrincipal(user.id, new_id(), user.household_id, user.roles)
        await sign_ins.insert_sign_in(
            unit,
            sign_in_id=principal.sign_in_id,
            user_id=user.id,
            household_id=user.household_id,
            client=client,
            now=now,
        )
        return await self._issue(unit, user, principal, now)

    async def _issue(
        self, unit: UnitOfWork, user: User, principal: UserPrincipal, now: datetime
    ) -> SignedIn:
        refresh_token = _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        expires_at = now + self._refresh_valid_for
        await sign_ins.insert_refresh_token(
            unit, token_hash(refresh_token), principal.sign_in_id, now=now, expires_at=expires_at
        )
        return SignedIn(
            user=user,
            access_token=self._floor.signer.sign_user(principal, now, self._access_valid_for),
            refresh_token=refresh_token,
            expires_in_seconds=int(self._access_valid_for.total_seconds()),
            refresh_expires_at=expires_at,
        )

    async def refresh(self, refresh_token: str, now: datetime) -> SignedIn:
        """Exchange a refresh token for new tokens. Raises `Unauthenticated` (401).

        A token that was used before is in two hands; which of them is the thief's can't be
        told, so the whole sign-in ends (07, Security).
        """

        async def rotate(unit: UnitOfWork) -> SignedIn | None:
            hashed = token_hash(refresh_token)
            token = await sign_ins.lock_refresh_token(unit, hashed)
            if token is None or token.ended_at is not None:
                return None
            if token.used_at is not None:
                ended = await sign_ins.end_sign_in(
                    unit, token.sign_in_id, EndReason.TOKEN_REUSED, now
                )
                await announce_ended(unit, ended, EndReason.TOKEN_REUSED, now)
                return None
            user = await users.find_user(unit, token.user_id)
            if token.expires_at <= now or user is None or user.disabled_at is not None:
                return None
            await sign_ins.use_refresh_token(unit, hashed, token.sign_in_id, now)
            principal = UserPrincipal(user.id, token.sign_in_id, user.household_id, user.roles)
            return await self._issue(unit, user, principal, now)

        # The refusal comes after the commit, or the end of a reused family would be undone.
        signed_in = await self._floor.database.run(rotate)
        if signed_in is None:
            raise Unauthenticated(log="refresh token unknown, expired, used, or ended")
        return signed_in

    async def sign_out(self, refresh_token: str, now: datetime) -> None:
        """End the sign-in of a refresh token; an unknown token is no fault."""

        async def end(unit: UnitOfWork) -> None:
            token = await sign_ins.lock_refresh_token(unit, token_hash(refresh_token))
            if token is None:
                return
            ended = await sign_ins.end_sign_in(unit, token.sign_in_id, EndReason.SIGNED_OUT, now)
            await announce_ended(unit, ended, EndReason.SIGNED_OUT, now)

        await self._floor.database.run(end)

    async def change_password(
        self, principal: UserPrincipal, current: str, new: str, now: datetime
    ) -> None:
        """Store a new password and end the person's other sign-ins.

        Raises `WrongPassword` (403), `TooManyRequests` (429), or `Overloaded` (503).
        """
        await self._confirmation.confirm(principal.user_id, current, now)
        password_hash = await self._floor.hashing.run(self._hasher.hash_password, new)

        async def store(unit: UnitOfWork) -> None:
            await users.store_password(unit, principal.user_id, password_hash, now)
            ended = await sign_ins.end_sign_ins_of_user(
                unit,
                principal.user_id,
                EndReason.PASSWORD_CHANGED,
                now,
                but=principal.sign_in_id,
            )
            await announce_ended(unit, ended, EndReason.PASSWORD_CHANGED, now)
            if principal.household_id is not None:
                await record_audit(
                    unit,
                    principal.household_id,
                    at=now,
                    actor=principal,
                    action="password.changed",
                    subject=f"user:{principal.user_id}",
                )

        await self._floor.database.run(store)

    async def find_state(self, principal: UserPrincipal) -> SignInState | None:
        """The state of the sign-in behind an access token; None when it has ended."""

        async def find(unit: UnitOfWork) -> SignInState | None:
            return await sign_ins.find_state(unit, principal)

        return await self._floor.database.run(find)
