"""The calls of the service that a player needs, typed."""

import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, ValidationError

from watchkeeper.client.errors import NoAnswer, ProblemError, UnexpectedAnswer
from watchkeeper.client.events import EventReader, ServerEvent
from watchkeeper.client.types import (
    Balance,
    Counters,
    DeviceType,
    Eligibility,
    Grant,
    Heartbeat,
    HeartbeatAnswer,
    Pairing,
    SessionEnd,
    SignIn,
)
from watchkeeper.core.http_client import (
    IDEMPOTENCY_KEY,
    ONE_ATTEMPT,
    Answer,
    Call,
    HttpCallError,
    HttpClient,
    RetryPolicy,
    find_retry_after,
)

_Wire = TypeVar("_Wire", bound=BaseModel)

API = "/api/v1"
# Three times as long as the service says nothing by default.
LONGEST_SILENCE = timedelta(seconds=45)
_STREAM_TYPE = "text/event-stream"


class WatchkeeperClient:
    """Speaks to one Watchkeeper service with one token.

    `base_url` is the service's address without `/api/v1`. `token` is a device token or a
    guardian's access token; `pair` and `login` set it. Calls raise NoAnswer, UnexpectedAnswer or
    ProblemError. Use it as `async with`, or call `aclose`.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self._http = HttpClient(
            base_url=self.base_url, policy=policy, transport=transport, draw=draw
        )

    async def pair(self, code: str, device_id: str, device_type: DeviceType) -> Pairing:
        """Trade a pairing code for a device token, and use it from now on.

        It isn't repeated after a failure: a code can be traded in once, and five wrong tries end
        it.
        """
        body = {"code": code, "device_id": device_id, "device_type": device_type.value}
        pairing = await self._read(Pairing, "POST", "/devices/pair", body)
        self.token = pairing.device_token
        return pairing

    async def login(self, email: str, password: str) -> SignIn:
        """Sign a guardian in, and use the access token from now on."""
        body = {"email": email, "password": password}
        sign_in = await self._read(SignIn, "POST", "/auth/login", body)
        self.token = sign_in.access_token
        return sign_in

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Report to the service and get its decision.

        One attempt only: whoever sends heartbeats sends the next one anyway, with newer counters.
        """
        return await self._read(
            HeartbeatAnswer,
            "POST",
            "/viewing-time/heartbeat",
            heartbeat.wire(),
            policy=ONE_ATTEMPT,
        )

    async def end_session(self, session_id: UUID, counters: Counters | None = None) -> SessionEnd:
        """End a session; the counters credit what was played since the last heartbeat."""
        body = counters.model_dump(mode="json") if counters else {}
        path = f"/viewing-time/session/{session_id}/end"
        return await self._read(SessionEnd, "POST", path, body, is_idempotent=True)

    async def balance(self, profile_id: UUID) -> Balance:
        """Where the child's viewing day stands."""
        return await self._read(Balance, "GET", f"/viewing-time/balance/{profile_id}")

    async def playback_eligible(self, profile_id: UUID) -> Eligibility:
        """Whether the child could start to play now."""
        path = f"/viewing-time/playback-eligible/{profile_id}"
        return await self._read(Eligibility, "GET", path)

    async def grant_with_pin(
        self,
        profile_id: UUID,
        minutes: int | None,
        pin: str,
        *,
        idempotency_key: str | None = None,
    ) -> Grant:
        """Give the child minutes (None: unlimited today) by the guardian's PIN.

        Every repetition of the call carries the same key, so that minutes are given once.
        """
        path = f"/parental-controls/profiles/{profile_id}/viewing-time/grant"
        headers = {IDEMPOTENCY_KEY: idempotency_key or str(uuid4())}
        return await self._read(
            Grant, "POST", path, {"minutes": minutes, "pin": pin}, headers=headers
        )

    async def events(self) -> AsyncGenerator[ServerEvent, None]:
        """The events of one connection, until the service ends it; `Push` keeps one open.

        The first is a snapshot. Raises ProblemError when the service refuses, NoAnswer when the
        connection breaks off or falls silent (a comment comes every 15 s), and UnexpectedAnswer.
        """
        call = Call("GET", f"{API}/viewing-time/events", headers=self._headers(_STREAM_TYPE))
        try:
            async with self._http.stream(call, silence=LONGEST_SILENCE) as response:
                await _check_stream(response)
                reader = EventReader()
                async for piece in response.aiter_bytes():
                    for event in reader.feed(piece):
                        yield event
        except HttpCallError as error:
            raise NoAnswer(error.message, attempts=error.attempts) from error

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": f"{accept}, application/problem+json"}
        return (
            headers if self.token is None else headers | {"Authorization": f"Bearer {self.token}"}
        )

    async def _read(
        self,
        kind: type[_Wire],
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        is_idempotent: bool = False,
        policy: RetryPolicy | None = None,
    ) -> _Wire:
        sent_headers = {**self._headers("application/json"), **(headers or {})}
        call = Call(method, API + path, body, headers=sent_headers, is_idempotent=is_idempotent)
        try:
            answer = await self._http.send(call, policy)
        except HttpCallError as error:
            raise NoAnswer(error.message, attempts=error.attempts) from error
        return parse_answer(kind, answer)

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _check_stream(response: httpx.Response) -> None:
    if not response.is_success:
        await response.aread()
        raise _problem_of(Answer(response, attempts=1))
    if not response.headers.get("Content-Type", "").startswith(_STREAM_TYPE):
        raise UnexpectedAnswer("The answer isn't one of a Watchkeeper service.")


def parse_answer(kind: type[_Wire], answer: Answer) -> _Wire:
    """The body of an answer as `kind`.

    Raises ProblemError for any status that isn't a success, and UnexpectedAnswer for a success
    whose body isn't what the contract says (a sign-in page of a hotel's network, for instance).
    """
    if not answer.response.is_success:
        raise _problem_of(answer)
    try:
        return kind.model_validate_json(answer.response.content)
    except ValidationError as error:
        raise UnexpectedAnswer("The answer isn't one of a Watchkeeper service.") from error


def _problem_of(answer: Answer) -> ProblemError:
    document = _document_of(answer.response)
    reason = answer.response.reason_phrase or "Refused"
    title = str(document.pop("title", reason))
    document.pop("status", None)
    return ProblemError(
        type=str(document.pop("type", "about:blank")),
        status=answer.status,
        title=title,
        detail=str(document.pop("detail", title)),
        members=document,
        retry_after=_wait_of(answer.response, document),
        attempts=answer.attempts,
    )


def _document_of(response: httpx.Response) -> dict[str, Any]:
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _wait_of(response: httpx.Response, document: Mapping[str, object]) -> timedelta | None:
    stated = document.get("retry_after_seconds")
    by_header = find_retry_after(response.headers)
    if by_header is None and isinstance(stated, int | float):
        return timedelta(seconds=stated)
    return by_header
