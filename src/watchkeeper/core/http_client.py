"""Calls to other services over HTTP, with one retry policy for all of them (07, retry policy).

A call is tried up to three times. It is tried again after 429, 503, a connection that failed and
an attempt that ran out of time, and only if doing it twice is harmless. The caller gets the last
answer, or the last error, with the number of attempts.

HttpCallError
├── CallTimedOut        an attempt had no complete answer within its time
└── ServerUnreachable   refused, reset, broken off, unknown host

The browser follows the same policy; tests/contracts/retry-policy.json holds the cases for both.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}
RETRIED_STATUSES = frozenset({429, 503})
IDEMPOTENCY_KEY = "Idempotency-Key"


class HttpCallError(Exception):
    """The call got no answer, however often it was tried."""

    def __init__(self, message: str, *, attempts: int) -> None:
        self.message = message
        self.attempts = attempts
        super().__init__(message)


class CallTimedOut(HttpCallError):  # noqa: N818 - reads better where it is caught
    """The last attempt had no complete answer within its time."""


class ServerUnreachable(HttpCallError):  # noqa: N818 - reads better where it is caught
    """The last attempt found no server, or its connection broke off."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long an attempt may take, and how long to wait before each further one.

    The number of `waits` is the number of retries. Jitter makes each wait up to that fraction
    shorter or longer. `Retry-After` counts if it is longer than our own wait; then jitter only
    adds. A `Retry-After` beyond `longest_wait` ends the call at once: asking earlier than the
    server said is useless, and nobody waits longer than that for one call.
    """

    attempt_timeout: timedelta = timedelta(seconds=30)
    waits: tuple[timedelta, ...] = (timedelta(seconds=1), timedelta(seconds=2))
    jitter_fraction: float = 0.2
    longest_wait: timedelta = timedelta(seconds=30)

    def wait_before_retry(
        self, attempts: int, retry_after: timedelta | None, draw: float
    ) -> timedelta | None:
        """How long to wait after `attempts` failed attempts; None means give up.

        `draw` is a random number in [0, 1); `retry_after` is what the server asked for.
        """
        if attempts > len(self.waits):
            return None
        own = self.waits[attempts - 1] * (1 + self.jitter_fraction * (2 * draw - 1))
        if retry_after is None or retry_after <= own:
            return own
        if retry_after > self.longest_wait:
            return None
        return min(retry_after * (1 + self.jitter_fraction * draw), self.longest_wait)


ONE_ATTEMPT = RetryPolicy(waits=())


@dataclass(frozen=True, slots=True)
class Call:
    """One call, whose body can be sent again because it is held whole.

    `is_idempotent` is for a write that is known to be harmless when repeated although its method
    doesn't say so, such as a POST that carries a client-made id.
    """

    method: str
    url: str
    json: Any = None
    params: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_idempotent: bool = False

    @property
    def may_be_repeated(self) -> bool:
        return (
            self.is_idempotent
            or self.method.upper() in IDEMPOTENT_METHODS
            or any(name.lower() == IDEMPOTENCY_KEY.lower() for name in self.headers)
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer of a call, read to its end, and how many attempts it took."""

    response: httpx.Response
    attempts: int

    @property
    def status(self) -> int:
        return self.response.status_code


class HttpClient:
    """An httpx client with a retry policy; it follows no redirects.

    `sleep` (seconds) and `draw` (a number in [0, 1)) are passed in so that tests wait for nothing.
    """

    def __init__(
        self,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._draw = draw
        # The time limit is set around the whole attempt: httpx's own limits are per read, so that
        # a server that drips one byte at a time would never meet them.
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=dict(headers or {}),
            transport=transport,
            timeout=None,  # noqa: S113
            follow_redirects=False,
        )

    async def send(self, call: Call, policy: RetryPolicy | None = None) -> Answer:
        """Make the call, and repeat it as the policy says.

        `policy` replaces the client's own for this call. Returns the last answer whatever its
        status. Raises CallTimedOut or ServerUnreachable when the last attempt had none.
        """
        policy = policy or self._policy
        attempts = 0
        while True:
            attempts += 1
            outcome = await self._attempt(call, policy, attempts)
            wait = self._wait_after(outcome, call, policy, attempts)
            if wait is None:
                if isinstance(outcome, HttpCallError):
                    raise outcome
                return Answer(outcome, attempts)
            await self._sleep(wait.total_seconds())

    async def _attempt(
        self, call: Call, policy: RetryPolicy, attempts: int
    ) -> httpx.Response | HttpCallError:
        try:
            async with asyncio.timeout(policy.attempt_timeout.total_seconds()):
                return await self._client.request(
                    call.method,
                    call.url,
                    json=call.json,
                    params=call.params,
                    headers=dict(call.headers),
                )
        except (TimeoutError, httpx.TimeoutException):
            return CallTimedOut("The request timed out. Please try again.", attempts=attempts)
        except (httpx.NetworkError, httpx.ProxyError, httpx.RemoteProtocolError) as error:
            failure = ServerUnreachable("The server can't be reached.", attempts=attempts)
            failure.__cause__ = error
            return failure

    @asynccontextmanager
    async def stream(self, call: Call, *, silence: timedelta) -> AsyncIterator[httpx.Response]:
        """Make the call once, and read its answer piece by piece inside the block.

        The answer may last for ever; `silence` is how long nothing may come. Raises CallTimedOut
        or ServerUnreachable, also from inside the block while the answer is read.
        """
        try:
            async with self._client.stream(
                call.method,
                call.url,
                params=call.params,
                headers=dict(call.headers),
                timeout=silence.total_seconds(),
            ) as response:
                yield response
        except httpx.TimeoutException as error:
            raise CallTimedOut("The connection fell silent.", attempts=1) from error
        except (httpx.NetworkError, httpx.ProxyError, httpx.RemoteProtocolError) as error:
            raise ServerUnreachable("The connection broke off.", attempts=1) from error

    def _wait_after(
        self,
        outcome: httpx.Response | HttpCallError,
        call: Call,
        policy: RetryPolicy,
        attempts: int,
    ) -> timedelta | None:
        if not call.may_be_repeated:
            return None
        retry_after = None
        if isinstance(outcome, httpx.Response):
            if outcome.status_code not in RETRIED_STATUSES:
                return None
            retry_after = find_retry_after(outcome.headers)
        return policy.wait_before_retry(attempts, retry_after, self._draw())

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def find_retry_after(headers: httpx.Headers) -> timedelta | None:
    """How long the server asks to wait, or None if it doesn't say so in a form that can be read.

    `Retry-After` is whole seconds or an HTTP date (RFC 9110, 10.2.3). A date is measured from the
    answer's own `Date`, so that a clock that is wrong on either side doesn't matter.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value)) if len(value) < 10 else timedelta.max
    until, since = _find_http_date(value), _find_http_date(headers.get("Date", ""))
    if until is None or since is None:
        return None
    return max(until - since, timedelta(0))


def _find_http_date(value: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
