"""A small stand-in for the service, for tests of players: one child, one allowance.

It keeps to the wire contract and to the rules that players can see: it charges the counters
against the time that passed, charges first and then decides, places the next heartbeat at the
end of the allowance, and lets a newer session take over. It isn't the service: days, plain
players, doubt and everything else that players can't see are left out.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PROFILE_ID = UUID("11111111-1111-4111-8111-111111111111")
PAIRING_CODE = "ABC234"
PIN = "1234"
TOKEN = "device-token"
EPOCH = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class Refusal(Exception):  # noqa: N818 - it is a problem document in the making
    """A problem to answer with."""

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002 - as on the wire
        *,
        detail: str = "No.",
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.document = {"type": type, "title": type, "status": status, "detail": detail, **members}
        self.headers = headers or {}
        super().__init__(detail)


@dataclass
class FakeSession:
    """What the stand-in keeps of a session."""

    id: UUID
    device_id: str
    device_name: str
    start_key: str | None
    accepted_at: float
    seq: int = 0
    played_ms: int = 0
    paused_ms: int = 0
    charged_ms: int = 0
    was_blocked: bool = False
    ended_by: str | None = None


@dataclass
class ContractService:
    """The stand-in's state; tests turn its knobs and read what players sent."""

    now: Callable[[], float]
    limit_ms: float | None = 3_600_000
    grace_seconds: int = 120
    beat_ms: int = 30_000
    blocked_because: str | None = None
    blocks_at: float | None = None
    exempt_titles: set[str] = field(default_factory=set)
    used_ms: float = 0
    sessions: dict[UUID, FakeSession] = field(default_factory=dict)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)
    grants: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    pairings: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    wrong_pins: int = 0

    # Knobs.

    @property
    def remaining_ms(self) -> float | None:
        return None if self.limit_ms is None else max(self.limit_ms - self.used_ms, 0)

    @property
    def open_session(self) -> FakeSession | None:
        return next((s for s in self.sessions.values() if s.ended_by is None), None)

    def forget_sessions(self, because: str = "silence") -> None:
        """Close every session, as silence does."""
        for session in self.sessions.values():
            session.ended_by = session.ended_by or because

    def take_over(self, device_name: str) -> None:
        """Another device starts to play."""
        self.forget_sessions(f"device:{device_name}")

    # The calls.

    def app(self) -> Starlette:
        """The stand-in as an ASGI application."""
        profile = "/api/v1/parental-controls/profiles/{profile_id}/viewing-time/grant"
        return Starlette(
            routes=[
                Route("/api/v1/devices/pair", self._json(self.pair), methods=["POST"]),
                Route("/api/v1/auth/login", self._json(self.login), methods=["POST"]),
                Route(
                    "/api/v1/viewing-time/heartbeat", self._json(self.heartbeat), methods=["POST"]
                ),
                Route(
                    "/api/v1/viewing-time/session/{session_id}/end",
                    self._json(self.end_session),
                    methods=["POST"],
                ),
                Route("/api/v1/viewing-time/balance/{profile_id}", self._json(self.balance)),
                Route(
                    "/api/v1/viewing-time/playback-eligible/{profile_id}",
                    self._json(self.eligibility),
                ),
                Route(profile, self._json(self.grant), methods=["POST"]),
            ]
        )

    def _json(
        self, call: Callable[[Request, dict[str, Any]], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            body = await request.json() if request.method == "POST" else {}
            try:
                if self.refusals:
                    raise self.refusals.pop(0)
                is_open = request.url.path.endswith(("/pair", "/login"))
                if not is_open and request.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refusal(401, "core/unauthenticated")
                return JSONResponse(call(request, body))
            except Refusal as refusal:
                return JSONResponse(
                    refusal.document,
                    status_code=refusal.document["status"],
                    headers=refusal.headers,
                    media_type="application/problem+json",
                )

        return answer

    def pair(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        assert set(body) == {"code", "device_id", "device_type"}
        if body["code"] != PAIRING_CODE:
            raise Refusal(422, "accounts/pairing-code", detail="That code isn't valid.")
        self.pairings.append(body)
        return {"device_token": TOKEN, "profile_id": str(PROFILE_ID), "profile_name": "Noa"}

    def login(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        assert set(body) == {"email", "password"}
        return {
            "access_token": TOKEN,
            "refresh_token": "r",
            "token_type": "bearer",
            "expires_in": 900,
            "user": {"email": body["email"]},
        }

    def heartbeat(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        self.heartbeats.append({**body, "at": self.now()})
        session = self._session_of(body)
        if body["seq"] > session.seq:
            self._charge(session, body)
        title = body.get("title_ref", {}).get("id") or body.get("title_id")
        return self._decide(session, is_exempt=title in self.exempt_titles)

    def _session_of(self, body: dict[str, Any]) -> FakeSession:
        if "session_id" in body:
            session = self.sessions.get(UUID(body["session_id"]))
            if session is None:
                raise Refusal(404, "core/not-found")
            if session.ended_by is not None:
                raise self._ended(session.ended_by)
            return session
        for session in self.sessions.values():
            if body.get("start_key") and session.start_key == body["start_key"]:
                return session
        self.take_over(body.get("device_name") or body["device_id"])
        session = FakeSession(
            uuid4(),
            body["device_id"],
            body.get("device_name", ""),
            body.get("start_key"),
            self.now(),
            played_ms=body["played_ms"],
            paused_ms=body["paused_ms"],
        )
        self.sessions[session.id] = session
        return session

    def _ended(self, by: str) -> Refusal:
        kind, _, name = by.partition(":")
        if kind == "device":
            return Refusal(
                410,
                "viewing/session-superseded",
                detail=f"Playback moved to {name}.",
                device_name=name,
            )
        return Refusal(410, "viewing/session-ended")

    def _charge(self, session: FakeSession, body: dict[str, Any]) -> None:
        elapsed_ms = (self.now() - session.accepted_at) * 1000
        played_ms = body["played_ms"] - session.played_ms
        if not session.was_blocked:
            charged = max(0.0, min(played_ms, elapsed_ms + 90_000))
            session.charged_ms += round(charged)
            self.used_ms += charged
        session.accepted_at = self.now()
        session.seq = body["seq"]
        session.played_ms, session.paused_ms = body["played_ms"], body["paused_ms"]

    def _decide(self, session: FakeSession, *, is_exempt: bool) -> dict[str, Any]:
        remaining = None if is_exempt else self.remaining_ms
        reason = self.blocked_because or ("limit" if remaining == 0 else None)
        enforcement = "allowed"
        if reason:
            enforcement = "blocked"
        elif remaining is not None and remaining <= 900_000:
            enforcement = "warning_5" if remaining <= 300_000 else "warning_15"
        next_beat_ms: float = self.beat_ms
        if not reason and remaining is not None and remaining < 33_000:
            next_beat_ms = max(remaining + 250, 500)
        session.was_blocked = bool(reason)
        is_limited = remaining is not None
        return {
            "session_id": str(session.id),
            "enforcement": enforcement,
            "remaining_minutes": None if remaining is None else round(remaining / 60_000, 2),
            "used_minutes": self.used_ms / 60_000,
            "is_educational": is_exempt,
            "reason": reason,
            "binding": reason or ("limit" if is_limited else None),
            "blocks_at": None if self.blocks_at is None else self._instant(self.blocks_at),
            "next_beat_ms": round(next_beat_ms),
            "server_time": self._instant(self.now()),
            "ack_seq": session.seq,
            "grace_seconds": self.grace_seconds,
            "a_field_of_a_later_version": {"deep": True},
        }

    def _instant(self, at: float) -> str:
        return (EPOCH + timedelta(seconds=at)).isoformat()

    def end_session(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        self.ends.append({**body, "at": self.now()})
        session = self.sessions.get(UUID(request.path_params["session_id"]))
        if session is None:
            raise Refusal(404, "core/not-found")
        if session.ended_by is None and body and body["seq"] > session.seq:
            self._charge(session, body)
        session.ended_by = session.ended_by or "end"
        return {
            "session_id": str(session.id),
            "total_seconds": session.charged_ms // 1000,
            "ended_at": self._instant(self.now()),
        }

    def balance(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        remaining = self.remaining_ms
        return {
            "profile_id": request.path_params["profile_id"],
            "is_child_profile": True,
            "has_limits": remaining is not None,
            "used_minutes": self.used_ms / 60_000,
            "educational_minutes": 0,
            "limit_minutes": None if self.limit_ms is None else self.limit_ms / 60_000,
            "remaining_minutes": None if remaining is None else remaining / 60_000,
            "is_unlimited_override": False,
            "next_reset_at": self._instant(self.now() + 3600),
            "warning_threshold_minutes": [15, 5],
        }

    def eligibility(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        remaining = self.remaining_ms
        return {
            "eligible": remaining != 0,
            "remaining_minutes": None if remaining is None else remaining / 60_000,
            "reason": "limit" if remaining == 0 else None,
            "next_reset_at": self._instant(self.now() + 3600),
        }

    def grant(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        if body["pin"] != PIN:
            self.wrong_pins += 1
            raise Refusal(
                403,
                "accounts/wrong-pin",
                detail="That PIN isn't right.",
                remaining_attempts=5 - self.wrong_pins,
            )
        key = request.headers["Idempotency-Key"]
        if key not in {known for known, _ in self.grants}:
            self.grants.append((key, body))
            if body["minutes"] is None:
                self.limit_ms = None
            elif self.limit_ms is not None:
                floor = self.used_ms + body["minutes"] * 60_000
                self.limit_ms = max(self.limit_ms + body["minutes"] * 60_000, floor)
        remaining = self.remaining_ms
        return {
            "grant_id": str(uuid4()),
            "granted_minutes": body["minutes"],
            "remaining_minutes": None if remaining is None else remaining / 60_000,
            "holds_until": self._instant(self.now() + 3600),
            "binding": "limit",
        }


class Wire(httpx.AsyncBaseTransport):
    """The network between a player and the stand-in, which can be cut and slowed down."""

    def __init__(
        self, service: ContractService, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        self._inner = httpx.ASGITransport(service.app())
        self._sleep = sleep
        self.is_cut = False
        self.loses_answers = False
        self.delay_seconds = 0.0
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.is_cut:
            raise httpx.ConnectError("the network is cut", request=request)
        response = await self._inner.handle_async_request(request)
        await response.aread()
        if self.delay_seconds and self._sleep:
            await self._sleep(self.delay_seconds)
        if self.loses_answers:
            raise httpx.ReadError("the answer was lost", request=request)
        return response


class InLoopServer(uvicorn.Server):
    """A server that leaves the test run's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def on_a_port(service: ContractService, port: int = 0) -> AsyncIterator[str]:
    """Serve the stand-in on a real socket, in this event loop; yields its address."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        service.app(), log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    server = InLoopServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
