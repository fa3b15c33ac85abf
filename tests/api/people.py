"""Everybody who may call the service, and the objects of one household that they reach for."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.accounts.steps import query, sign_in, staff_token, tell
from tests.harness.family import API, PASSWORD, Family, Player, bearer
from tests.harness.service import Service, quick_settings
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.config import SecuritySettings

STAFF = {"agent": Role.AGENT, "supervisor": Role.SUPERVISOR, "admin": Role.ADMIN}
NOBODIES = ("nobody", "garbage", "expired", "revoked sign-in", "revoked device")
# Everybody signs in and registers again and again, which the limits on calls aren't here to stop.
SETTINGS = quick_settings(
    security=SecuritySettings(
        registrations_per_hour=100_000,
        sign_ins_per_minute=100_000,
        sign_ins_per_minute_per_address=100_000,
        access_token_seconds=86_400,
    )
)
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

    async def filled(self, value: Any, caller: str = "elevated") -> Any:
        """`value` with every placeholder replaced by something new of the household's."""
        if isinstance(value, dict):
            return {name: await self.filled(one, caller) for name, one in value.items()}
        if isinstance(value, list):
            return [await self.filled(one, caller) for one in value]
        if not isinstance(value, str):
            return value
        for thing in re.findall(r"{(\w+)}", value):
            value = value.replace(f"{{{thing}}}", await self._make(thing, caller))
        return value

    async def make(self, thing: str) -> str:
        """A new object of the household, or a word that one call uses up; returns its id."""
        return await self._make(thing, "elevated")

    async def _make(self, thing: str, caller: str) -> str:
        self.made += 1
        number = self.made
        match thing:
            case "child":
                made: Any = self.child
            case "email":
                made = self.family.email
            case "device_id":
                made = "lost" if caller == "revoked device" else self.tablet.device_id
            case "title":
                made = uuid4()
            case "number":
                made = number
            case "date":
                made = self.service.clock.now().date() + timedelta(days=number % 300)
            case "spare_child":
                made = await self.family.add_profile(f"Child {number}")
            case "spare_device":
                await self.family.pair(self.child, device_id=f"spare-{number}")
                made = await self.device(f"spare-{number}")
            case _:
                made = await self._make_by_calls(thing, number)
        return str(made)

    async def _make_by_calls(self, thing: str, number: int) -> Any:
        family = self.family
        match thing:
            case "code":
                body = {"profile_id": self.child}
                return (await family.call("POST", "/devices/pairing-codes", json=body))["code"]
            case "refresh_token":
                return (await sign_in(self.service, family.email)).json()["refresh_token"]
            case "grant":
                return (await family.grant(self.child, 1))["grant_id"]
            case "session":
                self.tablet.session_id = None
                return (await self.tablet.beat())["session_id"]
            case "notification":
                return await tell(self.service, family, subject=f"{number}")
            case "own_title":
                ref = {"source": "home", "id": f"clip-{number}", "name": f"Clip {number}"}
                await family.player(self.child).beat(title_ref=ref)
                found = await family.call("GET", "/titles", params={"query": ref["name"]})
                return found["titles"][0]["id"]
        return await self._make_with_rules(thing)

    async def _make_with_rules(self, thing: str) -> Any:
        """What guardians decide, what they are asked, and who they are."""
        number = self.made
        match thing:
            case "invitation":
                return (await self._invite(number))["id"]
            case "invitation_code":
                return (await self._invite(number))["code"]
            case "spare_guardian":
                body = {"code": (await self._invite(number))["code"], "password": PASSWORD}
                path = "/households/invitations/accept"
                return (await self.family.call("POST", path, json=body))["user"]["id"]
            case "quiet_child":
                return await self._quiet_child()
            case "request":
                asked = {"profile_id": await self._quiet_child(), "minutes": 30}
                return (await self.family.call("POST", "/viewing-time/requests", json=asked))["id"]
            case "overridden":
                on = await self._make("date", "elevated")
                path = f"/parental-controls/profiles/{self.child}/overrides/{on}"
                await self.family.call("PUT", path, json={"windows": []})
                return on
        raise LookupError(thing)

    async def _quiet_child(self) -> str:
        """The child, with no request open: those of callers before are denied."""
        listed = await self.family.call("GET", "/viewing-time/requests")
        for request in listed["requests"]:
            if request["status"] == "open":
                path = f"/viewing-time/requests/{request['id']}/answer"
                await self.family.call("POST", path, json={"decision": "deny"})
        return self.child

    async def _invite(self, number: int) -> Any:
        """Invite somebody, after making room: neither bound is what is tested here."""
        await query(self.service, "DELETE FROM accounts.users WHERE email LIKE 'invited%'")
        await query(self.service, "DELETE FROM accounts.invitations")
        await query(self.service, "DELETE FROM accounts.rate_limits WHERE subject LIKE 'invite:%'")
        body = {"email": f"invited{number}@example.com"}
        return await self.family.call("POST", "/households/invitations", json=body)

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
