"""The retry policy of outgoing calls, on the table of cases that the browser shares."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from watchkeeper.core.http_client import (
    IDEMPOTENT_METHODS,
    ONE_ATTEMPT,
    RETRIED_STATUSES,
    Answer,
    Call,
    CallTimedOut,
    HttpCallError,
    HttpClient,
    RetryPolicy,
    ServerUnreachable,
    find_retry_after,
)

TABLE = json.loads((Path(__file__).parents[1] / "contracts" / "retry-policy.json").read_text())
DRAWS = [0.0, 0.5, 0.999_999]


class ScriptedServer(httpx.AsyncBaseTransport):
    """Meets each attempt with the next outcome of a case."""

    def __init__(self, outcomes: list[dict[str, Any]]) -> None:
        self._outcomes: Iterator[dict[str, Any]] = iter(outcomes)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        outcome = next(self._outcomes, None)
        assert outcome is not None, "more attempts than the case has outcomes"
        match outcome.get("error"):
            case "timeout":
                raise httpx.ReadTimeout("no answer", request=request)
            case "refused":
                raise httpx.ConnectError("refused", request=request)
            case "reset":
                raise httpx.ReadError("reset", request=request)
        return httpx.Response(outcome["status"], headers=outcome.get("headers"), request=request)


def call_of(case: dict[str, Any]) -> Call:
    return Call(
        case["method"],
        "http://server/thing",
        json={"a": 1} if case["method"] in {"POST", "PUT", "PATCH"} else None,
        headers={"Idempotency-Key": "k1"} if case["idempotency"] == "key" else {},
        is_idempotent=case["idempotency"] == "caller",
    )


def seen_by_caller(outcome: Answer | HttpCallError, expected: dict[str, Any]) -> dict[str, Any]:
    if isinstance(outcome, Answer):
        return {"status": outcome.status}
    kind = "timeout" if isinstance(outcome, CallTimedOut) else "unreachable"
    seen = {"error": kind}
    if "message" in expected:
        seen["message"] = outcome.message
    return seen


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
async def test_case_of_the_shared_table(case: dict[str, Any], draw: float) -> None:
    server = ScriptedServer(case["outcomes"])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    outcome: Answer | HttpCallError
    async with HttpClient(transport=server, sleep=sleep, draw=lambda: draw) as client:
        try:
            outcome = await client.send(call_of(case))
        except HttpCallError as error:
            outcome = error

    assert len(server.requests) == case["attempts"] == outcome.attempts
    assert seen_by_caller(outcome, case["result"]) == case["result"]
    assert len(waits) == len(case["delays_ms"])
    for wait, (shortest, longest) in zip(waits, case["delays_ms"], strict=True):
        assert shortest <= wait * 1000 <= longest + 1e-6
    assert len({request.content for request in server.requests}) == 1


def test_the_table_states_the_policy_that_the_code_has() -> None:
    policy, stated = RetryPolicy(), TABLE["policy"]
    assert policy.attempt_timeout == timedelta(milliseconds=stated["attempt_timeout_ms"])
    assert policy.waits == tuple(timedelta(milliseconds=wait) for wait in stated["waits_ms"])
    assert policy.jitter_fraction == stated["jitter_fraction"]
    assert policy.longest_wait == timedelta(milliseconds=stated["longest_wait_ms"])
    assert sorted(RETRIED_STATUSES) == stated["retried_statuses"]
    assert set(stated["repeatable_methods"]) == IDEMPOTENT_METHODS


def test_jitter_spreads_the_waits() -> None:
    policy = RetryPolicy()
    waits = {policy.wait_before_retry(1, None, draw) for draw in DRAWS}
    assert len(waits) == len(DRAWS)


async def test_nine_in_ten_transient_failures_vanish() -> None:
    chance = random.Random(20261122)
    failed_attempts = 0

    async def flaky(request: httpx.Request) -> httpx.Response:
        nonlocal failed_attempts
        if chance.random() < 0.2:
            failed_attempts += 1
            return httpx.Response(chance.choice([429, 503]), request=request)
        return httpx.Response(200, request=request)

    async def no_wait(_: float) -> None:
        return None

    calls_with_a_failure = unrecovered = 0
    async with HttpClient(
        transport=httpx.MockTransport(flaky), sleep=no_wait, draw=chance.random
    ) as client:
        while calls_with_a_failure < 400:
            before = failed_attempts
            answer = await client.send(Call("GET", "http://server/"))
            calls_with_a_failure += failed_attempts > before
            unrecovered += answer.status != 200
    assert failed_attempts >= 300
    assert 0 < unrecovered <= 0.1 * calls_with_a_failure


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    """A server on a real socket that says `answer` and then neither goes on nor closes."""
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        await closed.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        closed.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part"]
)
async def test_an_attempt_is_bounded_as_a_whole_on_a_real_socket(said: bytes) -> None:
    policy = RetryPolicy(attempt_timeout=timedelta(milliseconds=50), waits=())
    async with raw_server(said) as url, HttpClient(policy=policy) as client:
        with pytest.raises(CallTimedOut, match=r"timed out\. Please try again") as caught:
            await client.send(Call("GET", url))
    assert caught.value.attempts == 1


async def test_nothing_listens_on_a_real_port() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with HttpClient() as client:
        with pytest.raises(ServerUnreachable) as caught:
            await client.send(Call("GET", f"http://127.0.0.1:{port}/"), ONE_ATTEMPT)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


async def test_redirects_are_left_to_the_caller() -> None:
    server = ScriptedServer([{"status": 302, "headers": {"Location": "http://elsewhere/"}}])
    async with HttpClient(transport=server) as client:
        assert (await client.send(Call("GET", "http://server/"))).status == 302


async def test_a_fault_of_the_caller_is_not_taken_for_a_failed_connection() -> None:
    async with HttpClient() as client:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.send(Call("GET", "gopher://server/"))


@pytest.mark.parametrize("value", ["", "1.5", "١٢", "Sun, 99 Nov 2026 10:00:00 GMT"])
def test_retry_after_that_cannot_be_read_is_none(value: str) -> None:
    headers = httpx.Headers(
        [(b"Retry-After", value.encode()), (b"Date", b"Sun, 22 Nov 2026 10:00:00 GMT")]
    )
    assert find_retry_after(headers) is None
