"""A household in which everything was used that leaves something behind."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.accounts.steps import post, query
from tests.harness.family import PASSWORD, PIN, Family, Player
from tests.harness.service import Service
from watchkeeper.viewing.report_jobs import store_report


@dataclass(slots=True)
class Child:
    """A child, and every text that only it has."""

    id: str
    name: str
    tablet: Player
    needles: set[str] = field(default_factory=set)


@dataclass(slots=True)
class LivedIn:
    """A household with two children who did everything, and two guardians."""

    family: Family
    second: Family
    noa: Child
    leo: Child
    needles: set[str] = field(default_factory=set)

    @classmethod
    async def settle(cls, service: Service) -> "LivedIn":
        """Live a while. Uses every feature that keeps anything."""
        family = await Family.register(service)
        await query(
            service,
            "UPDATE accounts.households SET name = :name WHERE household_id = CAST(:id AS uuid)",
            name=f"Household {uuid4().hex}",
            id=family.household_id,
        )
        second = await _second_guardian(family)
        noa, leo = await _child(family, "noa"), await _child(family, "leo")
        household = cls(family, second, noa, leo)
        for child in (noa, leo):
            await household._live(child)
        await household._share_a_screen()
        await household._hear_of_the_week()
        await household._collect()
        return household

    async def _live(self, child: Child) -> None:
        family = self.family
        marked = uuid4().hex
        child.needles |= {f"film-{marked}", f"reason-{marked}", f"phone-{marked}"}
        title = {"source": "home", "id": f"film-{marked}", "name": f"film-{marked}"}
        await child.tablet.play(90, title_ref=title)
        # A phone that only this child uses, by a guardian's token, takes over and is taken over.
        phone = family.player(child.id, f"phone-{marked}")
        await phone.play(60, title_ref=title)
        await child.tablet.send()
        child.tablet.session_id = None
        await child.tablet.beat(start_key=f"phone-{marked}", state="paused")
        await child.tablet.end()
        await family.settings(child.id, weekday_limit_minutes=60, educational_exempt=False)
        given = await family.grant(child.id, 15, key=f"reason-{marked}", reason=f"reason-{marked}")
        path = f"/parental-controls/profiles/{child.id}/viewing-time/grant"
        await family.call("DELETE", f"{path}s/{given['grant_id']}")
        for pin in (PIN, "0000"):
            await post(family.service, path, {"minutes": 5, "pin": pin}, token=child.tablet.token)
        await self._decide_and_ask(child, marked)
        await family.grant(child.id, -240)
        await phone.send()
        lost = await family.pair(child.id, device_id=f"lost-{marked}")
        child.needles.add(lost.device_id)
        await lost.play(30)
        await self._remove_device(lost.device_id)
        await family.call("POST", "/devices/pairing-codes", json={"profile_id": child.id})
        avatar = {"avatar": f"avatar-{marked}"}
        child.needles.add(avatar["avatar"])
        await family.call("PATCH", f"/profiles/{child.id}", json=avatar)
        await family.call("GET", f"/parental-controls/profiles/{child.id}/history")

    async def _decide_and_ask(self, child: Child, marked: str) -> None:
        """Hours, a date of their own, a lock, and two requests with words in them."""
        family = self.family
        child.needles |= {f"please-{marked}", f"answer-{marked}"}
        hours = {"mon": [{"from": "07:00", "to": "20:00"}]}
        await family.settings(child.id, windows=hours, day_limits={"mon": 90})
        tomorrow = family.service.clock.now().date() + timedelta(days=1)
        await family.override(child.id, tomorrow, limit_minutes=240, windows=[])
        await family.lock(child.id)
        await family.unlock(child.id)
        asked = {"profile_id": child.id, "minutes": 5, "message": f"please-{marked}"}
        for decision in ("approve", None):
            request = await post(
                family.service,
                "/viewing-time/requests",
                asked,
                token=child.tablet.token,
                idempotency_key=f"please-{marked} {decision}",
            )
            child.needles.add(request.json()["id"])
            if decision:
                path = f"/viewing-time/requests/{request.json()['id']}/answer"
                body = {"decision": decision, "message": f"answer-{marked}"}
                await family.call("POST", path, json=body)

    async def _hear_of_the_week(self) -> None:
        """The weekly report of both children, as the job delivers it, read by one guardian."""
        service = self.family.service
        payload = {"household_id": self.family.household_id, "week_on": "2026-03-09"}
        await store_report(service.floor, service.app.state.weekly_reports, payload)
        (told,) = (await self.family.call("GET", "/notifications"))["notifications"]
        await self.family.call("POST", f"/notifications/{told['id']}/read")
        self.needles.add(told["id"])

    async def _remove_device(self, device_id: str) -> None:
        devices = (await self.family.call("GET", "/devices"))["devices"]
        row = next(one["id"] for one in devices if one["device_id"] == device_id)
        await self.family.call("DELETE", f"/devices/{row}")

    async def _share_a_screen(self) -> None:
        """A television on which both play, a film that both know, and a word about another."""
        film = {"source": "home", "id": "shared", "name": f"shared {uuid4().hex}"}
        self.needles.add(film["name"])
        for child in (self.noa, self.leo):
            await self.family.player(child.id, "shared-tv").play(60, title_ref=film)
        titles = await self.family.call("GET", "/titles", params={"query": film["name"]})
        path = f"/parental-controls/titles/{titles['titles'][0]['id']}"
        await self.family.call("PUT", path, json={"counts": "never"})
        await self.family.call("POST", "/households/invitations", json={"email": _email(self)})
        await post(
            self.family.service, "/auth/login", {"email": self.family.email, "password": "x"}
        )
        body = {"current_password": PASSWORD, "new_password": PASSWORD}
        await self.family.call("POST", "/auth/password", json=body)
        await self.second.call("GET", "/parental-controls/weekly-report")

    async def _collect(self) -> None:
        """Every id of the household and its people, as the database has them."""
        service = self.family.service
        for child in (self.noa, self.leo):
            child.needles |= {child.id, child.name, child.tablet.device_id}
            for table, ids in (("sessions", "id"), ("grants", "id")):
                rows = await query(
                    service,
                    f"SELECT {ids} AS id FROM viewing.{table} WHERE profile_id = CAST(:id AS uuid)",
                    id=child.id,
                )
                child.needles |= {str(row.id) for row in rows}
            rows = await query(
                service,
                "SELECT id FROM accounts.devices WHERE device_id = ANY (:names)",
                names=sorted(child.needles),
            )
            assert len(rows) == 3, "tablet, phone and the lost one"
            child.needles |= {str(row.id) for row in rows}
        for table, column in (
            ("users", "id"), ("users", "email"), ("sign_ins", "id"), ("devices", "id"),
            ("invitations", "email"), ("invitations", "id"), ("households", "name"),
        ):  # fmt: skip
            rows = await query(
                service,
                f"SELECT {column}::text AS text FROM accounts.{table}"
                " WHERE household_id = CAST(:id AS uuid)",
                id=self.family.household_id,
            )
            assert rows, table
            self.needles |= {row.text for row in rows}
        self.needles.add(self.family.household_id)
        self.needles -= self.noa.needles | self.leo.needles


def _email(household: LivedIn) -> str:
    return f"third-{household.family.household_id}@example.com"


async def _second_guardian(family: Family) -> Family:
    body: dict[str, Any] = {"email": f"second-{uuid4().hex}@example.com"}
    code = (await family.call("POST", "/households/invitations", json=body))["code"]
    accepted = {"code": code, "password": PASSWORD}
    answer = await family.call("POST", "/households/invitations/accept", json=accepted)
    second = Family(
        family.service,
        body["email"],
        family.household_id,
        answer["access_token"],
        answer["refresh_token"],
    )
    await second.elevate()
    return second


async def _child(family: Family, word: str) -> Child:
    name = f"{word}-{uuid4().hex}"
    profile_id = await family.add_profile(name)
    tablet = await family.pair(profile_id, device_id=f"tablet-of-{name}")
    return Child(profile_id, name, tablet)
