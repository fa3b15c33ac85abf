"""What the tests of accounts do again and again, over HTTP or straight in the database."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from tests.harness.family import API, PASSWORD, Family, bearer
from tests.harness.service import Service
from watchkeeper.accounts.public import NewNotification, NotificationKind, deliver
from watchkeeper.core.auth import Role
from watchkeeper.core.database import UnitOfWork


async def post(
    service: Service, path: str, body: Any = None, *, token: str | None = None, **headers: str
) -> httpx.Response:
    """A POST; header names are written with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await service.client.post(
        f"{API}{path}", json=body, headers=sent | (bearer(token) if token else {})
    )


async def sign_in(service: Service, email: str, password: str = PASSWORD) -> httpx.Response:
    """One sign-in, whatever it answers."""
    return await post(service, "/auth/login", {"email": email, "password": password})


async def staff_token(service: Service, role: Role) -> str:
    """The access token of somebody who works here."""
    email = f"{role}@example.com"
    now = service.clock.now()
    await service.app.state.accounts.users.create(email, PASSWORD, [role], now)
    return str((await sign_in(service, email)).json()["access_token"])


async def pairing_code(family: Family, profile_id: str, **fields: Any) -> str:
    """A pairing code for a child."""
    body = {"profile_id": profile_id, **fields}
    answer = await family.call("POST", "/devices/pairing-codes", json=body)
    return str(answer["code"])


async def pair(
    service: Service, code: str, device_id: str = "tablet-1", **headers: str
) -> httpx.Response:
    """A device gives a code, whatever that answers."""
    body = {"code": code, "device_id": device_id, "device_type": "tablet"}
    return await post(service, "/devices/pair", body, **headers)


async def query(service: Service, statement: str, **parameters: Any) -> list[Any]:
    """Rows straight from the database."""

    async def read(unit: UnitOfWork) -> list[Any]:
        result = await unit.execute(text(statement), parameters)
        return list(result) if result.returns_rows else []

    return await service.database.run(read)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and type of a refusal."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"]


def fields_of(response: httpx.Response) -> set[str]:
    """The fields that a 422 names."""
    assert problem(response) == (422, "core/invalid-request")
    return {fault["field"] for fault in response.json()["errors"]}


def recorded(service: Service, fact: type[Any]) -> list[Any]:
    """A list that every announced fact of this class is added to."""
    facts: list[Any] = []

    async def note(_unit: UnitOfWork, announced: Any) -> None:
        facts.append(announced)

    service.database.subscriptions.on(fact, note)
    return facts


async def tell(service: Service, family: Family, *, subject: str = "one", **fields: Any) -> str:
    """Deliver a notification as a job would; returns its id."""
    new = NewNotification(
        household_id=UUID(family.household_id),
        kind=NotificationKind.WEEKLY_REPORT,
        subject=subject,
        title="Weekly report",
        content={"profiles": [], "number": 1},
    )
    now = service.clock.now()
    await service.database.run(lambda unit: deliver(unit, replace(new, **fields), now))
    rows = await query(
        service,
        "SELECT id FROM accounts.notifications WHERE household_id = :household AND subject = :it",
        household=new.household_id,
        it=subject,
    )
    return str(rows[0].id)
