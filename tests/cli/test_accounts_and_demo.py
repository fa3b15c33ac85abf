"""Commands beside a running service: accounts of staff, demo data, load-test tokens."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Serving, run, serving

pytestmark = pytest.mark.system

PASSWORD = "a long enough password"


@pytest.fixture
async def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """A fresh, migrated database, and a folder for the secrets."""
    return {"WATCHKEEPER_DATABASE_URL": database_url, "WATCHKEEPER_DATA_DIR": str(tmp_path)}


@pytest.fixture
async def service(settings: dict[str, str]) -> AsyncIterator[Serving]:
    async with serving(**settings) as service:
        yield service


async def sign_in(service: Serving, email: str, password: str) -> tuple[int, dict[str, Any]]:
    answer = await service.client.post(
        "/api/v1/auth/login", json={"email": email, "password": password}
    )
    return answer.status_code, answer.json()


async def test_the_first_administrator_signs_in(service: Serving, settings: dict[str, str]) -> None:
    arguments = ("users", "create", "first@example.com", "--role", "admin", "--password-stdin")
    created = await run(*arguments, "--json", stdin=f"{PASSWORD}\n", **settings)
    assert created.status == 0, created.err
    assert (created.json["email"], created.json["role"]) == ("first@example.com", "admin")
    assert "password" not in created.json
    status, answer = await sign_in(service, "first@example.com", PASSWORD)
    assert (status, answer["user"]["roles"]) == (200, ["admin"])

    again = await run(*arguments, stdin=f"{PASSWORD}\n", **settings)
    assert again.status == 1
    assert again.err.count("\n") == 1


async def test_a_password_is_made_up_where_nobody_can_be_asked(
    service: Serving, settings: dict[str, str]
) -> None:
    created = await run(
        "users", "create", "agent@example.com", "--role", "agent", "--json", **settings
    )
    status, _ = await sign_in(service, "agent@example.com", created.json["password"])
    assert status == 200

    plain = await run("users", "reset-password", "agent@example.com", **settings)
    shown = plain.out.splitlines()[-1].rpartition(" ")[2]
    assert (await sign_in(service, "agent@example.com", shown))[0] == 200
    assert (await sign_in(service, "agent@example.com", created.json["password"]))[0] == 401


async def test_a_reset_ends_all_sign_ins(service: Serving, settings: dict[str, str]) -> None:
    await run(
        "users", "create", "a@example.com", "--role", "agent", "--password-stdin",
        stdin=PASSWORD, **settings,
    )  # fmt: skip
    _, answer = await sign_in(service, "a@example.com", PASSWORD)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert (await service.client.get("/api/v1/auth/me", headers=headers)).status_code == 200
    reset = await run("users", "reset-password", "A@example.com", "--json", **settings)
    assert reset.status == 0, reset.err
    assert (await service.client.get("/api/v1/auth/me", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (("create", "nobody", "--role", "agent"), PASSWORD, "isn't an e-mail address"),
        (("create", "a@example.com", "--role", "agent"), "short", "8 to 256 characters"),
        (("create", "a@example.com", "--role", "agent"), "", "8 to 256 characters"),
        (("reset-password", "nobody@example.com"), PASSWORD, "no account"),
    ],
)
async def test_refusals_are_a_line(
    settings: dict[str, str], arguments: tuple[str, ...], stdin: str, told: str
) -> None:
    ended = await run("users", *arguments, "--password-stdin", stdin=stdin, **settings)
    assert ended.status == 1
    assert told in ended.err
    assert ended.err.count("\n") == 1


async def test_demo_data_are_added_once(service: Serving, settings: dict[str, str]) -> None:
    first = await run("demo", **settings)
    assert first.status == 0, first.err
    assert "40 titles" in first.out
    assert "parent@example.com" in first.out
    second = await run("demo", "--json", **settings)
    assert second.status == 0
    assert second.json["added"] is None
    assert second.json["pin"] == "1234"
    for name in ("parent", "agent", "supervisor", "admin"):
        status, answer = await sign_in(service, f"{name}@example.com", "watchkeeper-demo")
        assert status == 200
        role = "guardian" if name == "parent" else name
        assert answer["user"]["roles"] == [role]


async def test_demo_data_arent_mixed_with_others(settings: dict[str, str]) -> None:
    await run("users", "create", "real@example.com", "--role", "admin", **settings)
    ended = await run("demo", **settings)
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("The database isn't empty")
    assert "Traceback" not in ended.err


async def test_demo_accounts_are_served_on_this_machine_only(settings: dict[str, str]) -> None:
    async with serving("--host", "0.0.0.0", **settings) as service:
        # A service that listens to others stops as soon as demo accounts appear.
        assert (await run("demo", **settings)).status == 0
        ended = await service.wait()
        assert ended.status == 1
        assert "demo accounts" in ended.err.splitlines()[-1]
    refused = await run("serve", "--host", "0.0.0.0", "--port", "0", **settings)
    assert refused.status == 1
    assert "demo accounts" in refused.err.splitlines()[-1]
    assert "Traceback" not in refused.err
    async with serving("--host", "localhost", **settings) as service:
        assert (await service.client.get("/readyz")).status_code == 200


async def test_load_test_tokens_play(service: Serving, settings: dict[str, str]) -> None:
    ended = await run("tokens", "--viewers", "5", **settings)
    assert ended.status == 0, ended.err
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert len(lines) == len({line["profile_id"] for line in lines}) == 5
    for line in lines:
        assert line.keys() == {"access_token", "profile_id", "title_id"}
        answer = await service.client.post(
            "/api/v1/viewing-time/heartbeat",
            json={
                "profile_id": line["profile_id"],
                "title_id": line["title_id"],
                "device_id": "load",
                "device_type": "tv",
            },
            headers={"Authorization": f"Bearer {line['access_token']}"},
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["enforcement"] == "allowed"


async def test_commands_attach_to_a_running_embedded_database(tmp_path: Path) -> None:
    folder = tmp_path / "embedded"
    async with serving("--data-dir", folder) as service:
        created = await run(
            "users", "create", "a@example.com", "--role", "admin", "--data-dir", folder, "--json"
        )
        assert created.status == 0, created.err
        status, _ = await sign_in(service, "a@example.com", created.json["password"])
        assert status == 200
    # And where no service runs, they start the database for themselves.
    reset = await run("users", "reset-password", "a@example.com", "--data-dir", folder, "--json")
    assert reset.status == 0, reset.err
    assert not (folder / "postgres" / "postmaster.pid").exists()
