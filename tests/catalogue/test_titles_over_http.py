"""The routes of the catalogue: who sees and writes what."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from tests.catalogue.people import Staff
from tests.harness.budgets import query_budget
from tests.harness.family import API, Family, bearer
from tests.harness.service import Service, running_service
from watchkeeper.catalogue.public import EVERY_TITLE, TITLE_CHANGED, title_id_for
from watchkeeper.core.auth import Role
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.urls import driver_arguments, parse_database_url


@pytest.fixture
async def admin(service: Service) -> Staff:
    return await Staff.sign_in(service, Role.ADMIN)


@pytest.fixture
async def family(service: Service) -> Family:
    return await Family.register(service)


def entries(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"source": "tmdb", "external_id": str(n), "name": f"Title {n:04}", **fields}
        for n in range(count)
    ]


async def watch(family: Family, name: str) -> str:
    """Let a child of the family play something that nobody knows; returns its title's id."""
    child = await family.add_profile(f"Child of {name}")
    reference = {"source": "home", "id": name, "name": name}
    await family.player(child, title={"title_ref": reference}).beat()
    return str(title_id_for(UUID(family.household_id), "home", name))


async def names(caller: Staff | Family, **wanted: Any) -> list[str]:
    answer = await caller.call("GET", "/titles", params=wanted)
    return [title["name"] for title in answer["titles"]]


async def test_an_administrator_adds_and_changes_a_title(admin: Staff) -> None:
    id_ = str(uuid4())
    made = await admin.call(
        "PUT",
        f"/titles/{id_}",
        json={
            "name": "Planet by Planet",
            "is_educational": True,
            "tags": ["space", "space"],
            "genres": ["science"],
            "library": "Learn",
            "duration_seconds": 1500,
        },
    )
    assert made | {"updated_at": None} == {
        "id": id_,
        "source": "watchkeeper",
        "external_id": id_,
        "name": "Planet by Planet",
        "is_educational": True,
        "is_classified": True,
        "is_private": False,
        "tags": ["space"],
        "genres": ["science"],
        "library": "Learn",
        "duration_seconds": 1500,
        "updated_at": None,
    }
    changed = await admin.call("PUT", f"/titles/{id_}", json={"is_educational": False})
    assert (changed["name"], changed["is_educational"]) == ("Planet by Planet", False)


async def test_a_batch_adds_and_changes(admin: Staff) -> None:
    first = await admin.call("POST", "/titles/batch", json={"titles": entries(3)})
    assert (first["created"], first["updated"]) == (3, 0)
    ids = [title["id"] for title in first["titles"]]
    again = [*entries(2, is_educational=True), {"id": ids[2], "name": "By id"}, *entries(4)[3:]]
    second = await admin.call("POST", "/titles/batch", json={"titles": again})
    assert (second["created"], second["updated"]) == (1, 3)
    assert [title["id"] for title in second["titles"]][:3] == ids
    assert [title["name"] for title in second["titles"]][2] == "By id"
    assert await names(admin, is_educational=True) == ["Title 0000", "Title 0001"]


async def test_a_faulty_batch_changes_nothing_and_names_index_and_field(admin: Staff) -> None:
    known = await admin.call("POST", "/titles/batch", json={"titles": entries(1)})
    titles = [
        *entries(3)[1:],
        {"id": str(uuid4()), "is_educational": True},
        {"source": "tmdb", "external_id": "0", "id": str(uuid4()), "name": "Thief"},
    ]
    response = await admin.send("POST", "/titles/batch", json={"titles": titles})
    assert response.status_code == 422
    assert [fault["field"] for fault in response.json()["errors"]] == [
        "titles.2.name",
        "titles.3.external_id",
    ]
    assert known["titles"][0]["id"] in response.text
    assert await names(admin) == ["Title 0000"]


MALFORMED_ENTRIES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "No key"}, ""),
    ({"id": "not-an-id", "name": "X"}, ".id"),
    ({"source": "tmdb", "name": "X"}, ""),
    ({"source": "tmdb", "external_id": "1", "name": ""}, ".name"),
    ({"source": "tmdb", "external_id": "1", "name": None}, ".name"),
    ({"source": "tmdb", "external_id": "1", "name": "a\u0000b"}, ".name"),
    ({"source": "s" * 65, "external_id": "1", "name": "X"}, ".source"),
    ({"source": "t", "external_id": "1", "name": "X", "is_educational": "yes"}, ".is_educational"),
    ({"source": "t", "external_id": "1", "name": "X", "duration_seconds": 0}, ".duration_seconds"),
    ({"source": "t", "external_id": "1", "name": "X", "tags": ["t"] * 31}, ".tags"),
    ({"source": "t", "external_id": "1", "name": "X", "colour": "red"}, ".colour"),
)


async def test_malformed_entries_are_named_and_change_nothing(admin: Staff) -> None:
    for entry, field in MALFORMED_ENTRIES:
        response = await admin.send("POST", "/titles/batch", json={"titles": [*entries(1), entry]})
        assert response.status_code == 422, entry
        assert [fault["field"] for fault in response.json()["errors"]] == [f"titles.1{field}"]
    assert await names(admin) == []


async def test_a_batch_holds_a_thousand(admin: Staff) -> None:
    assert (await admin.call("POST", "/titles/batch", json={"titles": entries(1000)}))["created"]
    for titles in ([], entries(1001)):
        response = await admin.send("POST", "/titles/batch", json={"titles": titles})
        assert response.status_code == 422


async def test_a_familys_own_titles_are_its_own(
    service: Service, admin: Staff, family: Family
) -> None:
    others = await Family.register(service)
    await admin.call("POST", "/titles/batch", json={"titles": entries(1)})
    own_id = await watch(family, "Our film")
    await watch(others, "Their film")

    assert await names(family) == ["Our film", "Title 0000"]
    assert await names(others) == ["Their film", "Title 0000"]
    assert await names(await Staff.sign_in(service, Role.AGENT)) == ["Title 0000"]
    assert await names(admin) == ["Our film", "Their film", "Title 0000"]
    assert await names(admin, is_classified=False) == ["Our film", "Their film", "Title 0000"]

    judged = await admin.call("PUT", f"/titles/{own_id}", json={"is_educational": True})
    assert (judged["is_private"], judged["is_classified"]) == (True, True)
    assert await names(others) == ["Their film", "Title 0000"]


async def test_only_administrators_write(service: Service, family: Family) -> None:
    child = await family.add_profile("Noa")
    device = await family.pair(child)
    agent = await Staff.sign_in(service, Role.AGENT)
    supervisor = await Staff.sign_in(service, Role.SUPERVISOR)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", f"/titles/{uuid4()}", {"name": "X"}),
        ("POST", "/titles/batch", {"titles": entries(1)}),
    ]
    for method, path, body in calls:
        for caller in (family, agent, supervisor):
            assert (await caller.send(method, path, json=body)).status_code == 403
        device_answer = await service.client.request(
            method, f"{API}{path}", json=body, headers=bearer(device.token)
        )
        assert device_answer.status_code == 403
        assert (await service.client.request(method, f"{API}{path}", json=body)).status_code == 401
    listing = await service.client.get(f"{API}/titles", headers=bearer(device.token))
    assert listing.status_code == 403
    assert (await service.client.get(f"{API}/titles")).status_code == 401


async def test_pages_follow_each_other_without_gap_or_repeat(admin: Staff, family: Family) -> None:
    # Some names are the same: then the id decides, and no page may begin between two of them.
    titles = [*entries(20), *(entry | {"external_id": f"x{n}"} for n, entry in enumerate(
        [*entries(5), *entries(5), *entries(5)]))]  # fmt: skip
    await admin.call("POST", "/titles/batch", json={"titles": titles})
    await watch(family, "Title 0003")
    found: list[str] = []
    cursor = None
    while True:
        wanted = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = await family.call("GET", "/titles", params=wanted)
        found += [title["id"] for title in page["titles"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["titles"]) == 4
    assert len(found) == len(set(found)) == 36


async def test_filters(admin: Staff) -> None:
    titles = [
        {"source": "a", "external_id": "1", "name": "Robot Club", "tags": ["robots", "kids"],
         "genres": ["adventure"], "library": "Series"},
        {"source": "a", "external_id": "2", "name": "100% Robots", "tags": ["robots"],
         "genres": ["comedy"], "library": "Films", "is_educational": True},
        {"source": "a", "external_id": "3", "name": "Sea_Side", "tags": ["kids"]},
    ]  # fmt: skip
    await admin.call("POST", "/titles/batch", json={"titles": titles})
    assert await names(admin, query="robot") == ["100% Robots", "Robot Club"]
    assert await names(admin, query="0%") == ["100% Robots"]
    assert await names(admin, query="a_S") == ["Sea_Side"]
    assert await names(admin, tags=["robots", "kids"]) == ["Robot Club"]
    assert await names(admin, genre="comedy") == ["100% Robots"]
    assert await names(admin, library="Series") == ["Robot Club"]
    assert await names(admin, is_educational=True) == ["100% Robots"]
    assert await names(admin, is_classified=False) == ["Robot Club", "Sea_Side"]


MALFORMED_QUESTIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"limit": 0}, "limit"),
    ({"limit": 201}, "limit"),
    ({"query": ""}, "query"),
    ({"query": "a\u0000b"}, "query"),
    ({"is_educational": "perhaps"}, "is_educational"),
    ({"cursor": "made-up"}, "cursor"),
    ({"cursor": "é"}, "cursor"),
    ({"tags": ["t"] * 11}, "tags"),
    ({"colour": "red"}, "colour"),
)


async def test_malformed_questions_are_named(admin: Staff) -> None:
    for wanted, field in MALFORMED_QUESTIONS:
        response = await admin.send("GET", "/titles", params=wanted)
        assert response.status_code == 422, wanted
        assert [fault["field"] for fault in response.json()["errors"]] == [field]


async def test_a_list_and_a_batch_cost_the_same_for_few_and_many(admin: Staff) -> None:
    costs = []
    for count in (2, 40):
        with query_budget(at_most=4) as batch:
            await admin.call("POST", "/titles/batch", json={"titles": entries(count)})
        with query_budget(at_most=3) as listing:
            assert len(await names(admin, limit=200)) == count
        costs.append((batch.operations, listing.operations))
    assert costs[0] == costs[1]


async def test_a_written_title_is_announced_to_every_process(
    service: Service, admin: Staff
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(**driver_arguments(parse_database_url(service.database_url)))
    await connection.add_listener(TITLE_CHANGED, lambda *said: heard.put_nowait(said[-1]))
    made = await admin.call("POST", "/titles/batch", json={"titles": entries(1)})
    assert await asyncio.wait_for(heard.get(), 5) == EVERY_TITLE
    id_ = made["titles"][0]["id"]
    await admin.call("PUT", f"/titles/{id_}", json={"is_educational": True})
    assert await asyncio.wait_for(heard.get(), 5) == id_
    await connection.close()


async def test_a_classification_holds_from_the_next_heartbeat(admin: Staff, family: Family) -> None:
    child = await family.add_profile("Noa")
    player = family.player(child, title={"title_ref": {"source": "a", "id": "b", "name": "c"}})
    assert (await player.play(60))["is_educational"] is False
    await admin.call(
        "POST",
        "/titles/batch",
        json={"titles": [{"source": "a", "external_id": "b", "name": "c", "is_educational": True}]},
    )
    assert (await player.play(60))["is_educational"] is True


async def test_two_processes_that_add_the_same_reference_agree(
    service: Service, database_url: str, admin: Staff
) -> None:
    async with running_service(database_url, clock=service.clock) as other:
        there = Staff(other, admin.token)
        answers = await asyncio.gather(
            *(
                caller.send("POST", "/titles/batch", json={"titles": entries(1)})
                for caller in (admin, there, admin, there)
            )
        )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert set(statuses) <= {200, 409}
    assert await names(admin) == ["Title 0000"]


async def test_lists_read_indexes(service: Service, family: Family) -> None:
    """On many families' titles: a page reads neither all rows nor those of others."""

    async def fill(unit: UnitOfWork) -> None:
        await unit.execute(
            text(
                "INSERT INTO catalogue.titles (id, household_id, source, external_id, name,"
                " created_at, updated_at) SELECT gen_random_uuid(),"
                " CASE WHEN n % 10 > 0 THEN gen_random_uuid() END, 'x', n::text,"
                " 'Title ' || n, '2026-01-01', '2026-01-01' FROM generate_series(1, 5000) AS n"
            )
        )

    await service.database.run(fill)
    with query_budget(at_most=9) as count:
        await family.call("GET", "/titles", params={"limit": 50})
    statement = next(one for one in count.statements or [] if "catalogue.titles" in one)
    connection = await asyncpg.connect(**driver_arguments(parse_database_url(service.database_url)))
    await connection.execute("ANALYZE catalogue.titles")
    arguments = [51, UUID(family.household_id), 51, 51]
    plan = await connection.fetchval(f"EXPLAIN (FORMAT json) {statement}", *arguments)
    await connection.close()
    assert "titles_global_by_name" in plan
    assert "titles_household_by_name" in plan
    assert "Seq Scan" not in json.dumps(plan)
