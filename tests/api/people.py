"""Everybody who may call the service, and the objects of one household that they reach for."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tests.accounts.steps import query, sign_in, staff_token
from tests.harness.family import API, PASSWORD, PIN, Family, Player, bearer
from tests.harness.service import Service
from watchkeeper.core.auth import Role, UserPrincipal

STAFF = {"agent": Role.AGENT, "supervisor": Role.SUPERVISOR, "admin": Role.ADMIN}
NOBODIES = ("nobody", "garbage", "expired", "revoked sign-in", "revoked device")
# What callers may leave behind though they are refused: the counters of the limits on calls.
_COUNTERS = {"rate_limits", "pin_attempts"}


@dataclass(slots=True)
class People:
    """One household with a child and its tablet, and people of every other kind."""

    service: Service
    family: Family
    strangers: Family
    child: str
    tablet: Player
    tokens: dict[str, str]
    tables: list[tuple[str, str]]
    made: int = 0

    @classmethod
    async def gather(cls, service: Service) -> "People":
        """Make them all, over HTTP as far as that goes."""
        family, strangers = await Family.register(service), await Family.register(service)
        child = await family.add_profile("Noa")
        tablet = await family.pair(child, device_id="tablet")
        lost = await family.pair(child, device_id="lost")
        signed_out = (await sign_in(service, family.email)).json()
        tokens = {
            "elevated": family.token,
            "guardian": (await sign_in(service, family.email)).json()["access_token"],
            "device": tablet.token,
            "stranger": strangers.token,
            **{name: await staff_token(service, role) for name, role in STAFF.items()},
            "garbage": "eyJhbGciOiJub25lIn0.e30.",
            "expired": _expired(service, family),
            "revoked sign-in": signed_out["access_token"],
            "revoked device": lost.token,
        }
        tables = await _tables_by_household(service)
        people = cls(service, family, strangers, child, tablet, tokens, tables)
        await family.call("DELETE", f"/devices/{await people.device('lost')}")
        await family.call(
            "POST", "/auth/logout", json={"refresh_token": signed_out["refresh_token"]}
        )
        return people

    def headers(self, caller: str) -> dict[str, str]:
        """What identifies a caller; nobody sends nothing."""
        return bearer(self.tokens[caller]) if caller in self.tokens else {}

    async def take_their_places(self) -> None:
        """Elevate who should be elevated, and end the elevation of who should not be."""
        for family in (self.family, self.strangers):
            status = await family.call("GET", "/parental-controls/pin/status")
            if status["elevated_until"] is None:
                await family.elevate()
        await self.service.client.post(
            f"{API}/parental-controls/pin/lock", headers=self.headers("guardian")
        )

    async def device(self, device_id: str) -> str:
        """The id of one of the household's devices."""
        (found,) = (
            device["id"]
            for device in (await self.family.call("GET", "/devices"))["devices"]
            if device["device_id"] == device_id
        )
        return str(found)

    async def make(self, thing: str) -> str:
        """A new object of the household, or a word that one call uses up."""
        self.made += 1
        number = self.made
        family = self.family
        match thing:
            case "child":
                return self.child
            case "number":
                return str(number)
            case "spare_child":
                return await family.add_profile(f"Child {number}")
            case "spare_device":
                await family.pair(self.child, device_id=f"spare-{number}")
                return await self.device(f"spare-{number}")
            case "code":
                body = {"profile_id": self.child}
                code = await family.call("POST", "/devices/pairing-codes", json=body)
                return str(code["code"])
            case "refresh_token":
                return str((await sign_in(self.service, family.email)).json()["refresh_token"])
            case "grant":
                return str((await family.grant(self.child, 1))["grant_id"])
            case "session":
                self.tablet.session_id = None
                return str((await self.tablet.beat())["session_id"])
        raise LookupError(thing)

    async def state(self, household_id: str) -> dict[str, str]:
        """A digest of every row of a household by table, without counters of limits."""
        digests = " UNION ALL ".join(
            f"SELECT '{table}', md5(string_agg(t::text, '|' ORDER BY t::text)) "
            f"FROM {table} t WHERE {column} = :household_id"
            for table, column in self.tables
        )
        rows = await query(self.service, digests, household_id=UUID(household_id))
        return {table: str(digest) for table, digest in rows}


async def _tables_by_household(service: Service) -> list[tuple[str, str]]:
    """Every table that belongs to households, and the column that says to which."""
    rows = await query(
        service,
        """
        SELECT table_schema || '.' || table_name, table_name, column_name
        FROM information_schema.columns JOIN information_schema.tables
             USING (table_schema, table_name)
        WHERE table_schema IN ('accounts', 'catalogue', 'viewing') AND table_type = 'BASE TABLE'
          AND column_name = CASE table_name WHEN 'households' THEN 'id' ELSE 'household_id' END
        """,
    )
    tables = [(full, column) for full, name, column in rows if name not in _COUNTERS]
    assert len(tables) > 8, tables
    return tables


def _expired(service: Service, family: Family) -> str:
    """A token of the family's that was genuine an hour ago."""
    floor = service.floor
    principal = floor.signer.read(family.token, floor.clock.now())
    assert isinstance(principal, UserPrincipal)
    before = floor.clock.now() - timedelta(hours=1)
    return floor.signer.sign_user(principal, before, timedelta(minutes=15))


__all__ = ["API", "NOBODIES", "PASSWORD", "PIN", "STAFF", "People"]
