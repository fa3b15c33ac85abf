"""The service as a whole, at its edge: what every request meets, whatever it asks for."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, Request
from pydantic import Field

from tests.harness.cluster import Cluster
from tests.harness.service import Service, quick_settings, running_service
from watchkeeper.core.config import ServerSettings
from watchkeeper.core.logging import pseudonym
from watchkeeper.core.problems import InternalError, Overloaded, Problem
from watchkeeper.core.schema import migrate, newest_revision
from watchkeeper.core.schemas import PlainText
from watchkeeper.core.schemas import Request as Body

JSON = {"Content-Type": "application/json"}


class Note(Body):
    text: PlainText
    count: int = Field(0, ge=0, le=1000)


probe = APIRouter(prefix="/api/v1/probe")


@probe.get("/bug")
async def bug() -> None:
    raise ZeroDivisionError("a secret detail")


@probe.get("/overloaded")
async def overloaded() -> None:
    raise Overloaded("Too much.", retry_after_seconds=1.2, log="the queue is full")


@probe.get("/household")
async def household(request: Request) -> None:
    request.state.household_id = "0190"


@probe.get("/search")
async def search(limit: int, query: str = "") -> dict[str, Any]:
    return {"limit": limit, "query": query}


@probe.post("/notes")
async def add_note(note: Note) -> Note:
    return note


@pytest.fixture(scope="module")
async def edge(cluster: Cluster) -> AsyncIterator[Service]:
    """One service for all tests of the edge, with a few routes of our own."""
    settings = quick_settings(
        server=ServerSettings(
            cors_origins=("https://tv.example.com",),
            allowed_hosts=("watchkeeper.test", "*.example.com", "[::1]"),
            max_body_bytes=8192,
        )
    )
    async with cluster.database() as url, running_service(url, settings=settings) as service:
        service.app.include_router(probe)
        yield service


@pytest.fixture
async def client(edge: Service) -> httpx.AsyncClient:
    return edge.client


def problem_in(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert (document["type"], document["status"]) == (kind, status)
    assert document["title"]
    assert document["detail"]
    return document


async def test_it_lives_and_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready", "reasons": []}


async def test_a_bug_is_logged_under_the_requests_id_and_shown_to_nobody(
    client: httpx.AsyncClient,
) -> None:
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as logs:
        response = await client.get(
            "/api/v1/probe/bug",
            headers={"X-Request-Id": "my-request-1", "Origin": "https://tv.example.com"},
        )
    problem_in(response, 500, "core/internal-error")
    assert "secret" not in response.text
    assert response.headers["x-request-id"] == "my-request-1"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["access-control-allow-origin"] == "https://tv.example.com"
    failed, line = logs
    assert failed["event"] == "request.failed"
    assert failed["exc_info"]
    assert failed["request_id"] == line["request_id"] == "my-request-1"
    assert line["status"] == 500


async def test_a_refusal_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/probe/overloaded")
    document = problem_in(response, 503, "core/overloaded")
    assert response.headers["retry-after"] == "2"
    assert document["detail"] == "Too much."
    assert document["instance"] == "/api/v1/probe/overloaded"
    assert "queue" not in response.text


@pytest.mark.parametrize("given", ["short", "with space in it", "x" * 65, "naïve-request-id"])
async def test_a_request_id_that_could_break_a_log_is_replaced(
    client: httpx.AsyncClient, given: str
) -> None:
    response = await client.get("/healthz", headers={b"X-Request-Id": given.encode()})
    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 32


async def test_each_request_is_one_line(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get("/api/v1/probe/household")
        await client.get("/readyz")
    (line,) = logs
    assert line["household"] == pseudonym("0190")
    assert (line["method"], line["path"]) == ("GET", "/api/v1/probe/household")
    assert (line["status"], line["database_operations"]) == (200, 0)
    assert line["duration_ms"] >= 0


async def test_requests_do_not_share_state(edge: Service) -> None:
    with structlog.testing.capture_logs() as logs:
        await edge.client.get("/api/v1/probe/household")
        await edge.client.get("/api/v1/probe/search?limit=1")
    assert "household" not in logs[1]


async def test_metrics_know_routes_and_not_paths(client: httpx.AsyncClient) -> None:
    await client.get("/api/v1/probe/search?limit=3")
    await client.get("/nothing/here/4711")
    await client.request("BREW", "/nothing/here")
    text = (await client.get("/metrics")).text
    assert 'method="GET",route="/api/v1/probe/search",status="200"' in text
    assert 'method="other",route="unmatched",status="404"' in text
    assert "4711" not in text
    assert "BREW" not in text


async def test_browsers_are_told_to_be_strict(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/api/v1/probe/search?limit=1", "/nothing"):
        headers = (await client.get(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers
    assert (await client.get("/api/v1/probe/search?limit=1")).headers["cache-control"] == "no-store"
    secure = await client.get("https://watchkeeper.test/healthz")
    assert secure.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("host", ["evil.test", "watchkeeper.test.evil.test", "", "example.com"])
async def test_requests_to_another_name_are_refused(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/healthz", headers={"Host": host})
    problem_in(response, 400, "core/unknown-host")
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "host", ["watchkeeper.test", "WATCHKEEPER.test:8000", "tv.example.com", "[::1]:8000", "[::1]"]
)
async def test_requests_to_our_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


async def test_only_listed_origins_may_call_from_a_browser(client: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    allowed = await client.options(
        "/api/v1/probe/notes", headers={"Origin": "https://tv.example.com", **asked}
    )
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://tv.example.com"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    for origin in ("https://evil.example.com", "http://tv.example.com", "null"):
        refused = await client.options("/api/v1/probe/notes", headers={"Origin": origin, **asked})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        simple = await client.get("/healthz", headers={"Origin": origin})
        assert "access-control-allow-origin" not in simple.headers


async def test_without_a_list_no_origin_may_call(service: Service) -> None:
    response = await service.client.get("/healthz", headers={"Origin": "https://tv.example.com"})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_head_is_get_without_the_body(client: httpx.AsyncClient) -> None:
    whole = await client.get("/api/v1/probe/search?limit=3")
    head = await client.head("/api/v1/probe/search?limit=3")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert (await client.head("/nothing")).status_code == 404


async def test_unknown_addresses_and_methods(client: httpx.AsyncClient) -> None:
    problem_in(await client.get("/api/v1/nothing"), 404, "core/not-found")
    refused = await client.delete("/api/v1/probe/notes")
    problem_in(refused, 405, "core/method-not-allowed")
    assert refused.headers["allow"] == "POST"
    problem_in(await client.options("/api/v1/probe/notes"), 405, "core/method-not-allowed")


async def test_a_fault_names_its_field(client: httpx.AsyncClient) -> None:
    document = problem_in(
        await client.post("/api/v1/probe/notes", json={"count": "3", "more": 1}),
        422,
        "core/invalid-request",
    )
    faults = {fault["field"]: fault["message"] for fault in document["errors"]}
    assert faults["text"] == "is missing"
    assert faults["more"] == "is not a known field"
    assert "valid integer" in faults["count"]
    document = problem_in(
        await client.get("/api/v1/probe/search?limit=many"), 422, "core/invalid-request"
    )
    assert document["errors"][0]["field"] == "limit"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"null", 422),
        (b"[" * 4000, 400),
        (b'{"a":' * 800, 400),
        (b'{"text":' + b"[" * 900 + b"]" * 900 + b"}", (400, 422)),
        (b'{"text": "\xff"}', 400),
        (b'\xff\xfe{\0"\0', 400),
        (b'{"text": "\\ud800"}', 422),
        (b'{"\\ud800": "lone surrogate in a name"}', 422),
        (b'{"text": "a\\u0000b"}', 422),
        (b'{"text": "a", "count": ' + b"9" * 3000 + b"}", 422),
        (b'{"text": "a", "count": ' + b"9" * 4400 + b"}", 400),
        (b'{"text": "a", "count": NaN}', (400, 422)),
        (b'{"text": "a", "count": 1e999}', (400, 422)),
        (b'{"text": "a", "count": 1.5}', 422),
        (b'{"' + b"x" * 3000 + b'": 1}', 422),
    ],
)
async def test_strange_bodies_are_refused_and_never_a_fault_of_ours(
    client: httpx.AsyncClient, body: bytes, status: int | tuple[int, ...]
) -> None:
    response = await client.post("/api/v1/probe/notes", content=body, headers=JSON)
    assert response.status_code in ((status,) if isinstance(status, int) else status), response.text
    problem_in(response, response.status_code, response.json()["type"])
    assert len(response.content) < 1500, "what was sent isn't sent back"


async def test_a_request_with_many_faults_is_answered_with_a_few(
    client: httpx.AsyncClient,
) -> None:
    body = json.dumps({f"f{number}": 1 for number in range(300)})
    response = await client.post("/api/v1/probe/notes", content=body, headers=JSON)
    assert len(problem_in(response, 422, "core/invalid-request")["errors"]) == 20


async def test_a_nul_in_the_address_is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/pro%00be", "/api/v1/probe/search?limit=1&que%00ry=a%00b"):
        problem_in(await client.get(path), 400, "core/malformed-request")
    refused = await client.get("/api/v1/probe/search?limit=1&query=a%00b")
    document = problem_in(refused, 422, "core/invalid-request")
    assert document["errors"] == [
        {"field": "query", "message": "must not contain control characters"}
    ]


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 30, "1e400", "NaN", "٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣"])
async def test_huge_and_strange_numbers_in_an_address(
    client: httpx.AsyncClient, number: str
) -> None:
    response = await client.get("/api/v1/probe/search", params={"limit": number})
    assert response.status_code in (200, 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
async def test_only_json_is_taken(client: httpx.AsyncClient, kind: str) -> None:
    response = await client.post(
        "/api/v1/probe/notes", content=b'{"text": "a"}', headers={"Content-Type": kind}
    )
    problem_in(response, 415, "core/unsupported-media-type")
    fine = await client.post(
        "/api/v1/probe/notes",
        content=b'{"text": "a"}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert fine.status_code == 200


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * size


async def test_bodies_that_are_too_large_are_refused(client: httpx.AsyncClient) -> None:
    announced = await client.post("/api/v1/probe/notes", content=b" " * 8193, headers=JSON)
    document = problem_in(announced, 413, "core/body-too-large")
    assert "8192 bytes" in document["detail"]
    chunked = await client.post("/api/v1/probe/notes", content=chunks(1000, 9), headers=JSON)
    problem_in(chunked, 413, "core/body-too-large")
    assert announced.headers["x-request-id"]
    assert chunked.headers["x-content-type-options"] == "nosniff"


async def test_a_chunked_body_that_fits_is_read(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"text":'
        yield b' "in parts"}'

    response = await client.post("/api/v1/probe/notes", content=body(), headers=JSON)
    assert response.json() == {"text": "in parts", "count": 0}


@pytest.mark.parametrize("length", ["-1", "1_0", "²", "x", "9" * 40])
async def test_a_length_that_is_no_number(client: httpx.AsyncClient, length: str) -> None:
    request = client.build_request("POST", "/api/v1/probe/notes", content=b"{}", headers=JSON)
    request.headers["Content-Length"] = length.encode("latin-1").decode("latin-1")
    response = await client.send(request)
    assert response.status_code in (400, 413)


async def test_an_answer_that_was_begun_is_broken_off(edge: Service) -> None:
    from watchkeeper.core.middleware import Boundary

    async def half(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
    with structlog.testing.capture_logs(), pytest.raises(ZeroDivisionError):
        await Boundary(half)(scope, None, send)  # type: ignore[arg-type]
    assert sent == ["http.response.start"]
    assert edge.app.title == "Watchkeeper"


async def test_while_the_schema_is_behind_the_api_refuses_and_says_why(cluster: Cluster) -> None:
    async with (
        cluster.database(migrated=False) as url,
        running_service(url) as service,
    ):
        ready = await service.client.get("/readyz")
        assert ready.status_code == 503
        (reason,) = ready.json()["reasons"]
        assert reason.startswith("core/schema-behind: the schema is at revision none")
        assert f"needs {newest_revision()}" in reason
        assert "WATCHKEEPER_RUN_MIGRATIONS=true" in reason
        assert (await service.client.get("/healthz")).status_code == 200
        refused = await service.client.get("/api/v1/titles")
        problem_in(refused, 503, "core/schema-behind")
        assert refused.headers["retry-after"]

        await migrate(url)
        # Asked about at most once a second, so nothing has changed yet.
        assert (await service.client.get("/readyz")).status_code == 503
        service.clock.advance(seconds=1)
        assert (await service.client.get("/api/v1/titles")).status_code == 401
        assert (await service.client.get("/readyz")).status_code == 200


async def test_a_service_of_the_version_before_works_on_a_newer_schema(
    cluster: Cluster,
) -> None:
    import asyncpg

    async with cluster.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
        await connection.close()
        with structlog.testing.capture_logs() as logs:
            async with running_service(url) as service:
                assert (await service.client.get("/readyz")).status_code == 200
        assert "schema.newer" in [line["event"] for line in logs]


async def test_readiness_tells_that_the_database_is_gone(cluster: Cluster) -> None:
    from tests.core.proxy import proxy_before
    from watchkeeper.core.config import DatabaseSettings

    settings = quick_settings(
        database=DatabaseSettings(prewarm_connections=1, restart_wait_seconds=0.1)
    )
    async with (
        cluster.database() as url,
        proxy_before(url) as proxy,
        running_service(proxy.url, settings=settings) as service,
    ):
        await proxy.go_away()
        response = await service.client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["reasons"][0].startswith("core/database-unavailable")
        await proxy.listen()
        async with asyncio.timeout(5):
            await service.floor.listener.connected.wait()
        assert (await service.client.get("/readyz")).status_code == 200


async def test_every_problem_can_be_looked_up() -> None:
    def below(kind: type[Problem]) -> list[type[Problem]]:
        return [kind, *(deeper for one in kind.__subclasses__() for deeper in below(one))]

    for kind in below(Problem)[1:]:
        assert kind.__doc__, kind
        assert kind.title, kind
        assert 400 <= kind.status < 600, kind
        area, _, name = kind.type.partition("/")
        assert area.isalpha(), kind
        assert name == name.lower(), kind


def test_two_problems_may_not_share_a_type() -> None:
    with pytest.raises(TypeError, match="has the type of InternalError"):
        type("Again", (Problem,), {"type": InternalError.type})


DEBUG_SCRIPT = """
import asyncio, sys
from tests.harness.service import SECRETS, quick_settings
from watchkeeper.app import create_app
from watchkeeper.core.config import ServerSettings

async def main():
    settings = quick_settings(server=ServerSettings(debug=sys.argv[1] == "on"))
    app = create_app(settings, database_url="postgresql:///nowhere", secrets=SECRETS)
    sent = []
    async def send(message):
        sent.append(message)
    async def receive():
        return {"type": "http.request"}
    scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": [],
             "scheme": "http", "query_string": b"", "server": ("h", 1), "client": ("h", 2)}
    await app(scope, receive, send)
    assert sent[0]["status"] == 200
    names = [name for name, _ in sent[0]["headers"]]
    print("watchkeeper.core.debug" in sys.modules, b"server-timing" in names,
          bool(app.state.floor.database.engine.echo))

asyncio.run(main())
"""


@pytest.mark.parametrize("debug", ["on", "off"])
def test_debug_middleware_is_only_imported_in_debug(debug: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", DEBUG_SCRIPT, debug], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == " ".join([str(debug == "on")] * 3)
