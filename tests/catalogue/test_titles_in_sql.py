"""What other domains may ask of the catalogue in SQL."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from watchkeeper.catalogue.public import title_id_for
from watchkeeper.core.urls import driver_arguments, parse_database_url

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
RIVERA, OTHERS = uuid4(), uuid4()


@pytest.fixture
async def connection(database_url: str):  # type: ignore[no-untyped-def]
    connection = await asyncpg.connect(**driver_arguments(parse_database_url(database_url)))
    yield connection
    await connection.close()


async def add(connection: asyncpg.Connection, *mentioned: tuple[UUID, str, str, str | None]) -> int:
    households, sources, external_ids, names = zip(*mentioned, strict=True)
    ids = [title_id_for(*reference[:3]) for reference in mentioned]
    count: int = await connection.fetchval(
        "SELECT catalogue.pub_add_titles($1, $2, $3, $4, $5, $6)",
        ids,
        list(households),
        list(sources),
        list(external_ids),
        list(names),
        NOW,
    )
    return count


async def add_global(connection: asyncpg.Connection, source: str, external_id: str) -> UUID:
    id_ = uuid4()
    await connection.execute(
        "INSERT INTO catalogue.titles (id, source, external_id, name, is_educational,"
        " is_classified, created_at, updated_at) VALUES ($1, $2, $3, 'Global', true, true, $4, $4)",
        id_,
        source,
        external_id,
        NOW,
    )
    return id_


async def find(
    connection: asyncpg.Connection, *wanted: tuple[UUID, UUID | None, str | None, str | None]
) -> dict[int, tuple[UUID, str, bool]]:
    rows = await connection.fetch(
        "SELECT * FROM catalogue.pub_find_titles($1, $2, $3, $4)",
        *(list(part) for part in zip(*wanted, strict=True)),
    )
    return {row["position"]: (row["id"], row["name"], row["is_educational"]) for row in rows}


async def test_a_mentioned_title_is_kept_unclassified_for_its_household(
    connection: asyncpg.Connection,
) -> None:
    assert await add(connection, (RIVERA, "jellyfin", "42", "Bluey")) == 1

    id_ = title_id_for(RIVERA, "jellyfin", "42")
    found = await find(
        connection,
        (RIVERA, None, "jellyfin", "42"),
        (OTHERS, None, "jellyfin", "42"),
        (OTHERS, id_, None, None),
        (RIVERA, id_, None, None),
    )
    assert found == {1: (id_, "Bluey", False), 4: (id_, "Bluey", False)}
    row = await connection.fetchrow("SELECT * FROM catalogue.pub_titles")
    assert row is not None
    assert (row["household_id"], row["is_classified"]) == (RIVERA, False)


async def test_mentioning_again_adds_nothing_and_keeps_the_first_name(
    connection: asyncpg.Connection,
) -> None:
    again = (RIVERA, "jellyfin", "42", "Renamed")
    assert await add(connection, (RIVERA, "jellyfin", "42", "Bluey"), again) == 1
    assert await add(connection, again) == 0
    assert await connection.fetchval("SELECT name FROM catalogue.titles") == "Bluey"


async def test_two_households_have_the_same_reference_apart(
    connection: asyncpg.Connection,
) -> None:
    await add(connection, (RIVERA, "kodi", "7", "Ours"), (OTHERS, "kodi", "7", "Theirs"))
    found = await find(connection, (RIVERA, None, "kodi", "7"), (OTHERS, None, "kodi", "7"))
    assert [name for _, name, _ in found.values()] == ["Ours", "Theirs"]


async def test_a_global_title_wins_over_the_households_own(
    connection: asyncpg.Connection,
) -> None:
    await add(connection, (RIVERA, "tmdb", "1", "Own"))
    global_id = await add_global(connection, "tmdb", "1")
    found = await find(connection, (RIVERA, None, "tmdb", "1"))
    assert found == {1: (global_id, "Global", True)}


async def test_the_reference_names_a_title_that_came_without_a_name(
    connection: asyncpg.Connection,
) -> None:
    await add(connection, (RIVERA, "mpv", "film.mkv", None), (RIVERA, "mpv", "b", "n" * 400))
    found = await find(connection, (RIVERA, None, "mpv", "film.mkv"), (RIVERA, None, "mpv", "b"))
    assert [name for _, name, _ in found.values()] == ["film.mkv", "n" * 300]


async def test_players_cant_fill_the_catalogue(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "INSERT INTO catalogue.titles (id, household_id, source, external_id, name, created_at,"
        " updated_at) SELECT gen_random_uuid(), $1, 'x', n::text, 'x', $2, $2"
        " FROM generate_series(1, 19999) AS n",
        RIVERA,
        NOW,
    )
    assert await add(connection, (RIVERA, "jellyfin", "1", "Last")) == 1
    assert await add(connection, (RIVERA, "jellyfin", "2", "Beyond")) == 0
    assert await add(connection, (OTHERS, "jellyfin", "2", "Not theirs")) == 1


async def test_look_ups_use_indexes(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "INSERT INTO catalogue.titles (id, household_id, source, external_id, name, created_at,"
        " updated_at) SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN $1::uuid END, 'x',"
        " n::text, 'x', $2, $2 FROM generate_series(1, 5000) AS n",
        RIVERA,
        NOW,
    )
    await connection.execute("ANALYZE catalogue.titles")
    plan = await connection.fetchval(
        "EXPLAIN (FORMAT json) SELECT * FROM catalogue.pub_find_titles("
        f"ARRAY['{RIVERA}'::uuid], ARRAY[NULL]::uuid[], ARRAY['x'], ARRAY['77'])"
    )
    text = json.dumps(json.loads(plan))
    assert "titles_reference_unique" in text
    assert "Seq Scan" not in text
