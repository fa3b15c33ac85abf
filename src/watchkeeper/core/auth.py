"""Who is calling: principals, and the signed access tokens that name them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import jwt

from watchkeeper.core.problems import Unauthenticated
from watchkeeper.core.secrets import Secrets

ISSUER = "watchkeeper"
AUDIENCE = "watchkeeper-api"
ALGORITHM = "HS256"


class Role(StrEnum):
    """What a user may be; a user may be several."""

    GUARDIAN = "guardian"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A signed-in person. `sign_in_id` names the family of refresh tokens."""

    user_id: UUID
    sign_in_id: UUID
    household_id: UUID | None
    roles: frozenset[Role] = field(default_factory=frozenset)

    @property
    def is_guardian(self) -> bool:
        return Role.GUARDIAN in self.roles and self.household_id is not None


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A child's paired device; it reaches only its own profile."""

    household_id: UUID
    profile_id: UUID
    device_id: str
    pairing_id: UUID


Principal = UserPrincipal | DevicePrincipal


class TokenSigner:
    """Issues and reads the tokens; keys are chosen by `kid`, the algorithm is pinned."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def sign_user(self, user: UserPrincipal, now: datetime, valid_for: timedelta) -> str:
        """An access token of a signed-in person."""
        return self._sign(
            {
                "typ": "access",
                "sub": str(user.user_id),
                "sid": str(user.sign_in_id),
                "hh": str(user.household_id) if user.household_id else None,
                "roles": sorted(user.roles),
                "exp": int((now + valid_for).timestamp()),
            },
            now,
        )

    def sign_device(self, device: DevicePrincipal, now: datetime) -> str:
        """A device token; it holds until the pairing is revoked."""
        return self._sign(
            {
                "typ": "device",
                "sub": device.device_id,
                "sid": str(device.pairing_id),
                "hh": str(device.household_id),
                "pid": str(device.profile_id),
            },
            now,
        )

    def _sign(self, claims: dict[str, Any], now: datetime) -> str:
        kid, key = self._secrets.signing_key
        stamped = {"iss": ISSUER, "aud": AUDIENCE, "iat": int(now.timestamp()), **claims}
        return jwt.encode(stamped, key, algorithm=ALGORITHM, headers={"kid": kid})

    def read(self, token: str, now: datetime) -> Principal:
        """The principal of a token that is genuine and hasn't expired at `now`.

        Whether the sign-in or the pairing has been revoked is asked of the database by the caller.
        Raises `Unauthenticated` for anything else, always with the same words.
        """
        try:
            return self._principal(self._claims(token), now)
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise Unauthenticated(log=f"token refused: {type(error).__name__}") from error

    def expires_at(self, token: str) -> datetime | None:
        """When a token that `read` accepted lapses; None for a device's, which doesn't."""
        expiry = self._claims(token).get("exp")
        return None if expiry is None else datetime.fromtimestamp(expiry, UTC)

    def _claims(self, token: str) -> dict[str, Any]:
        key = self._secrets.verifying_key(str(jwt.get_unverified_header(token).get("kid")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            # Expiry is judged by the service's clock, not by this machine's.
            options={
                "require": ["iss", "aud", "iat", "sub"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        return claims

    @staticmethod
    def _principal(claims: dict[str, Any], now: datetime) -> Principal:
        if claims["typ"] == "access":
            if int(claims["exp"]) <= now.timestamp():
                raise Unauthenticated(log="token expired")
            return UserPrincipal(
                user_id=UUID(claims["sub"]),
                sign_in_id=UUID(claims["sid"]),
                household_id=UUID(claims["hh"]) if claims["hh"] else None,
                roles=frozenset(Role(role) for role in claims["roles"]),
            )
        if claims["typ"] == "device":
            return DevicePrincipal(
                household_id=UUID(claims["hh"]),
                profile_id=UUID(claims["pid"]),
                device_id=claims["sub"],
                pairing_id=UUID(claims["sid"]),
            )
        raise Unauthenticated(log="unknown kind of token")
