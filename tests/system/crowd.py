"""Many players at once against a service in a process of its own, and what they were told."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from tests.cli.commands import run
from tests.harness.family import API, bearer
from watchkeeper.core.embedded import attached

# Far below the limit of 20 a second, and far above what a real player sends.
_PAUSE_SECONDS = 0.1
NO_ANSWER = "no answer"

_KEPT = """
SELECT s.profile_id, s.id, s.seq, s.counted_ms,
       (SELECT coalesce(sum(d.counted_ms + d.exempt_ms), 0) FROM viewing.days d
        WHERE d.household_id = s.household_id AND d.profile_id = s.profile_id)::bigint AS days_ms,
       (SELECT coalesce(sum(p.credited_ms), 0) FROM viewing.pub_slices p
        WHERE p.household_id = s.household_id AND p.profile_id = s.profile_id)::bigint AS slices_ms,
       (SELECT coalesce(sum(o.counted_ms + o.exempt_ms), 0) FROM viewing.sessions o
        WHERE o.household_id = s.household_id AND o.profile_id = s.profile_id)::bigint
           AS sessions_ms
FROM viewing.sessions s WHERE s.id = ANY ($1)
"""


@dataclass(slots=True)
class Beater:
    """A child's player with counters that has been playing since its session began."""

    access_token: str
    profile_id: str
    title_id: str
    client: httpx.AsyncClient
    outcomes: Counter[str] = field(default_factory=Counter)
    session_id: str | None = None
    began_at: float = 0.0
    seq: int = -1
    acknowledged_seq: int = -1
    acknowledged_minutes: float = 0.0

    async def beat(self) -> httpx.Response | None:
        """One heartbeat, with what it led to noted; None when nobody answered."""
        self.began_at = self.began_at or time.monotonic()
        self.seq += 1
        body: dict[str, Any] = {
            "profile_id": self.profile_id,
            "title_id": self.title_id,
            "device_id": "tv",
            "device_type": "tv",
            "start_key": "one-session",
            "seq": self.seq,
            "played_ms": int((time.monotonic() - self.began_at) * 1000),
            "paused_ms": 0,
        }
        if self.session_id:
            body["session_id"] = self.session_id
        try:
            response = await self.client.post(
                f"{API}/viewing-time/heartbeat",
                json=body,
                headers=bearer(self.access_token),
                timeout=30,
            )
        except httpx.TransportError:
            self.outcomes[NO_ANSWER] += 1
            return None
        self._note(response)
        return response

    def _note(self, response: httpx.Response) -> None:
        answer = response.json()
        if response.status_code != 200:
            promise = "with" if "retry-after" in response.headers else "without"
            self.outcomes[f"{response.status_code} {answer['type']} {promise} Retry-After"] += 1
            return
        self.outcomes[f"200 {answer['enforcement']}"] += 1
        self.session_id = answer["session_id"]
        self.acknowledged_seq = max(self.acknowledged_seq, answer["ack_seq"])
        self.acknowledged_minutes = max(self.acknowledged_minutes, answer["used_minutes"])


class Crowd:
    """The players of many children."""

    def __init__(self, beaters: Sequence[Beater]) -> None:
        self.beaters = beaters
        self._accepted = 0
        self._changed = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def gathered(cls, size: int, data_dir: Path, url: str) -> AsyncIterator["Crowd"]:
        """Load-test children on the service's database, each with a player that hasn't begun.

        Every player has a connection of its own, as in life.
        """
        made = await run("tokens", "--viewers", str(size), "--data-dir", data_dir)
        assert made.status == 0, made.err
        viewers = [json.loads(line) for line in made.out.splitlines()]
        assert len(viewers) == size
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(httpx.AsyncClient(base_url=url, verify=False))
                for _ in viewers
            ]
            pairs = zip(clients, viewers, strict=True)
            yield cls([Beater(client=client, **viewer) for client, viewer in pairs])

    async def all_beat(self) -> None:
        """One heartbeat of everybody at the same time, which must be accepted."""
        answers = await asyncio.gather(*(beater.beat() for beater in self.beaters))
        for answer in answers:
            assert answer is not None
            assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Everybody sends heartbeat after heartbeat while the block runs."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._beat_until(stop, one)) for one in self.beaters]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def _beat_until(self, stop: asyncio.Event, beater: Beater) -> None:
        while not stop.is_set():
            answer = await beater.beat()
            if answer is not None and answer.status_code == 200:
                async with self._changed:
                    self._accepted += 1
                    self._changed.notify_all()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def are_accepted(self, heartbeats: int, *, within: float = 60) -> None:
        """Wait for so many more accepted heartbeats."""
        target = self._accepted + heartbeats
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: self._accepted >= target)

    def outcomes(self) -> Counter[str]:
        """What all heartbeats led to."""
        return sum((beater.outcomes for beater in self.beaters), Counter())

    async def assert_everything_acknowledged_is_kept(self, data_dir: Path) -> None:
        """Fail unless the database has what the players were told, and slices = days = sessions."""
        sessions = {UUID(one.session_id): one for one in self.beaters if one.session_id}
        async with attached(data_dir) as url:
            connection = await asyncpg.connect(url)
            try:
                rows = await connection.fetch(_KEPT, list(sessions))
            finally:
                await connection.close()
        assert {row["id"] for row in rows} == sessions.keys()
        for row in rows:
            told = sessions[row["id"]]
            assert str(row["profile_id"]) == told.profile_id
            assert row["seq"] >= told.acknowledged_seq, (row, told)
            # `*_minutes` are rounded to a hundred-thousandth, which is 0.6 ms.
            assert row["counted_ms"] + 1 >= told.acknowledged_minutes * 60_000, (row, told)
            assert row["slices_ms"] == row["days_ms"] == row["sessions_ms"], row
            assert row["days_ms"] <= (time.monotonic() - told.began_at) * 1000, (row, told)
