"""Which calls are limited, and by how much. Source: 03, "Limits on calls"."""

import ipaddress
from datetime import datetime, timedelta

from watchkeeper.accounts.repository import rate_limits
from watchkeeper.accounts.repository.rate_limits import Limit
from watchkeeper.accounts.rules import PAIRING_CODE_VALID_FOR, PAIRING_TRIES
from watchkeeper.core.config import SecuritySettings
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import TooManyRequests

_MINUTE = timedelta(minutes=1)
_TEN_MINUTES = timedelta(minutes=10)


class CallLimits:
    """The limits of one service; counted in the database and so shared by all processes."""

    def __init__(self, settings: SecuritySettings) -> None:
        self.password_of_account = Limit("password", settings.sign_ins_per_minute, _MINUTE)
        self.sign_in_from_address = Limit(
            "sign-in", settings.sign_ins_per_minute_per_address, _MINUTE
        )
        self.registration_from_address = Limit(
            "register", settings.registrations_per_hour, timedelta(hours=1)
        )
        # Nobody can tell whose code a wrong one was meant to be, so tries are counted by where
        # they come from, and all together against many addresses at once: of the 887 million
        # codes, 500 guesses in ten minutes hit one of a thousand open ones once in 12 days.
        self.wrong_codes_from_address = Limit("pair", PAIRING_TRIES, PAIRING_CODE_VALID_FOR)
        self.wrong_codes_from_anywhere = Limit("pair-all", 500, PAIRING_CODE_VALID_FOR)
        # As with pairing, but nobody guesses 31^12: the limit keeps a flood from the database.
        self.wrong_invitations_from_address = Limit("invited", PAIRING_TRIES, _TEN_MINUTES)
        self.invitations_of_household = Limit("invite", 20, timedelta(hours=1))
        self.codes_of_household = Limit("pairing-code", 20, PAIRING_CODE_VALID_FOR)

    async def admit(self, unit: UnitOfWork, limit: Limit, caller: str, now: datetime) -> None:
        """Count a call; raises `TooManyRequests` (429) when there were too many."""
        next_at = await rate_limits.take_call(unit, limit, caller, now)
        if next_at is not None:
            raise TooManyRequests(
                retry_after_seconds=(next_at - now).total_seconds(),
                log=f"limit '{limit.kind}' reached",
            )


def network_of(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that one IPv6 line has."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
