"""The migrated schema: the models say the same, its functions do what others rely on."""

from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.exc import DBAPIError

from tests.accounts.steps import post, query
from tests.harness.family import Family
from tests.harness.service import Service
from watchkeeper.accounts.models import metadata
from watchkeeper.accounts.public import (
    DIRECTORY_TABLES,
    forget_expired,
    get_household_time,
    has_demo_accounts,
    set_household_time,
)
from watchkeeper.core.auth import DevicePrincipal, Role, UserPrincipal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.problems import InvalidRequest, NotFound


async def test_the_models_are_the_migrated_tables(service: Service) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name == "accounts",
            "compare_type": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async def compare(unit: UnitOfWork) -> list[object]:
        return await unit.connection.run_sync(differences)

    assert await service.database.run(compare) == []


def test_households_come_first_in_every_key_but_the_directorys() -> None:
    for table in metadata.sorted_tables:
        if table.fullname in DIRECTORY_TABLES:
            continue
        constraints = (PrimaryKeyConstraint, UniqueConstraint)
        keys = [key for key in table.constraints if isinstance(key, constraints)]
        first = [next(iter(key.columns)).name for key in keys]
        first += [index.columns[0].name for index in table.indexes if index.unique]
        assert set(first) == {"household_id"}, table.fullname


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts.audit SET actor = 'me'", "DELETE FROM accounts.audit",
                  "TRUNCATE accounts.audit"]
)  # fmt: skip
async def test_the_audit_trail_can_only_grow(service: Service, statement: str) -> None:
    await Family.register(service, with_pin=False)
    with pytest.raises(DBAPIError, match="permission denied"):
        await query(service, statement)
    assert len(await query(service, "SELECT 1 FROM accounts.audit")) == 1


async def test_states_of_sign_ins_and_pairings(service: Service) -> None:
    family = await Family.register(service)
    tablet = await family.pair(await family.add_profile("Noa"), device_id="tablet")
    device = service.floor.signer.read(tablet.token, service.clock.now())
    person = service.floor.signer.read(family.token, service.clock.now())

    assert isinstance(device, DevicePrincipal)
    assert isinstance(person, UserPrincipal)

    async def states() -> tuple[str, str]:
        row = (
            await query(
                service,
                "SELECT accounts.pub_sign_in_state(:sign_in) AS s,"
                " accounts.pub_pairing_state(:household, 'tablet', :pairing) AS p",
                sign_in=person.sign_in_id,
                household=device.household_id,
                pairing=device.pairing_id,
            )
        )[0]
        return row.s, row.p

    assert await states() == ("active", "active")
    listed = (await family.call("GET", "/devices"))["devices"][0]
    await family.call("DELETE", f"/devices/{listed['id']}")
    await post(service, "/auth/logout", {"refresh_token": family.refresh_token})
    assert await states() == ("ended", "revoked")


async def test_household_time_is_checked_stored_and_announced(service: Service) -> None:
    family = await Family.register(service, timezone="UTC")
    household_id = UUID(family.household_id)

    async def change(household: UUID, **changes: object) -> None:
        given = {"timezone": "Asia/Tokyo", "reset_hour": 4, "weekend_days": {5, 6}} | changes

        async def work(unit: UnitOfWork) -> None:
            await set_household_time(unit, household, **given)  # type: ignore[arg-type]

        await service.database.run(work)

    await change(household_id)
    time = await service.database.run(lambda unit: get_household_time(unit, household_id))
    assert (time.timezone, time.reset_hour, time.weekend_days) == ("Asia/Tokyo", 4, (5, 6))
    for fault in ({"timezone": "Mars"}, {"reset_hour": 24}, {"weekend_days": {0}}):
        with pytest.raises(InvalidRequest, match=next(iter(fault))):
            await change(household_id, **fault)
    with pytest.raises(NotFound):
        await change(uuid4())


async def test_demo_accounts_are_found(service: Service) -> None:
    assert await service.database.run(has_demo_accounts) is False
    await service.app.state.accounts.users.create(
        "demo@example.com", "a password", [Role.AGENT], service.clock.now(), is_demo=True
    )
    assert await service.database.run(has_demo_accounts) is True


async def test_what_has_lapsed_is_forgotten_and_what_lives_stays(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    await family.call("POST", "/devices/pairing-codes", json={"profile_id": child})
    await family.send("POST", "/parental-controls/pin/verify", json={"pin": "0000"})
    service.clock.advance(hours=24 * 20)
    living = await Family.register(service)
    service.clock.advance(hours=24 * 11)

    async def forget(unit: UnitOfWork) -> dict[str, int]:
        return await forget_expired(unit, service.clock.now(), at_most=100)

    counts = await service.database.run(forget)
    assert counts["sign_ins"] == 1
    assert counts["pairing_codes"] == 1
    assert counts["pin_attempts"] == 1
    body = {"refresh_token": living.refresh_token}
    assert (await post(service, "/auth/refresh", body)).status_code == 200
