"""Heartbeats: settle what players report and answer what they may do.

`Heartbeats.answer` is the seam for scale: it takes heartbeats and gives answers, in one
transaction with one statement that loads and one that stores, however many they are.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from watchkeeper.accounts.public import DeviceNoLongerPaired, raise_for_credential
from watchkeeper.catalogue.public import title_id_for
from watchkeeper.core.auth import DevicePrincipal, Principal
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.floor import Floor
from watchkeeper.core.metrics import count_operations
from watchkeeper.core.problems import NotFound, Problem
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.problems import SessionEnded, SessionOfOtherDevice, SessionSuperseded
from watchkeeper.viewing.repository import (
    Batch,
    Configuration,
    Loaded,
    ProfileKey,
    Question,
    TitleRef,
    find_session_profile,
    load_viewers,
    store,
)
from watchkeeper.viewing.rules.settlement import settle, settle_end, settle_silence
from watchkeeper.viewing.types import (
    Counters,
    Decision,
    Heartbeat,
    Outcome,
    Session,
    Settlement,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HeartbeatCall:
    """One heartbeat with who sends it and for whom."""

    caller: Principal
    key: ProfileKey
    heartbeat: Heartbeat
    title_ref: TitleRef | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the player is told; remaining time and `next_beat_ms` count from the sending."""

    session: Session
    decision: Decision
    next_beat_ms: int
    ack_seq: int | None
    grace_seconds: int
    server_time: datetime


@dataclass(frozen=True, slots=True)
class EndAnswer:
    """What a session came to."""

    session_id: UUID
    total_ms: int
    ended_at: datetime


class Heartbeats:
    """Settles heartbeats, ends of sessions, and sessions that fell silent."""

    def __init__(self, floor: Floor, configurations: ConfigurationCache) -> None:
        self._floor = floor
        self._configurations = configurations

    async def answer(self, calls: Sequence[HeartbeatCall]) -> list[HeartbeatAnswer | Problem]:
        """Settle heartbeats of different profiles in one transaction; answers in their order.

        A refusal of one (unknown profile, ended session, revoked credential) is its answer and
        doesn't touch the others. Committed before it returns. Raises `Unavailable` problems when
        the database can't be used. Locks: the profiles' rows, in key order. Query cost: one
        statement to load and one to store, one more when configurations aren't cached.
        """
        started = time.perf_counter()
        with count_operations() as count:
            known = await self._configurations.get_many([call.key for call in calls])
            found = [call for call in calls if call.key in known]
            settled = await self._floor.database.run(
                lambda unit: self._settle(unit, found, known), is_replayable=True
            )
        answers = iter(settled)
        result = [next(answers) if call.key in known else _profile_gone(call) for call in calls]
        self._record(result, time.perf_counter() - started, count.operations)
        return result

    async def _settle(
        self,
        unit: UnitOfWork,
        calls: Sequence[HeartbeatCall],
        known: dict[ProfileKey, Configuration],
    ) -> list[HeartbeatAnswer | Problem]:
        if not calls:
            return []
        loaded = await load_viewers(
            unit, [_question(call) for call in calls], known, self._floor.clock.now()
        )
        # The clock is read when the locks are held, so that nobody who waited for them settles
        # with an instant from before what the one before it stored.
        now = self._floor.clock.now()
        batch = Batch()
        answers = [
            self._settle_one(call, state, now, batch)
            for call, state in zip(calls, loaded, strict=True)
        ]
        await store(unit, batch, now)
        return answers

    def _settle_one(
        self, call: HeartbeatCall, loaded: Loaded, now: datetime, batch: Batch
    ) -> HeartbeatAnswer | Problem:
        try:
            raise_for_credential(call.caller, loaded.credential)
        except Problem as problem:
            return problem
        if not loaded.is_there:
            return _profile_gone(call)
        heartbeat = replace(
            call.heartbeat,
            title_id=loaded.title_id or _new_title_id(call),
            device_name=loaded.device_name,
        )
        settlement = settle(loaded.viewer, heartbeat, now, random.random())  # noqa: S311 - spread
        refusal = refusal_of(settlement)
        batch.add_settlement(loaded.viewer, settlement)
        if refusal is not None:
            return refusal
        _add_acquaintances(batch, call, loaded)
        assert settlement.session is not None
        assert settlement.decision is not None
        assert settlement.next_beat_ms is not None
        return HeartbeatAnswer(
            session=settlement.session,
            decision=settlement.decision,
            next_beat_ms=settlement.next_beat_ms,
            ack_seq=settlement.ack_seq,
            grace_seconds=settlement.grace_seconds,
            server_time=now,
        )

    async def end(
        self,
        caller: Principal,
        household_id: UUID,
        session_id: UUID,
        counters: Counters | None,
    ) -> EndAnswer:
        """End a session, credit its tail and say what it came to; may be repeated.

        Raises `NotFound` for a session that the caller may not know.
        """
        profile_id = await self._floor.database.run(
            lambda unit: find_session_profile(unit, household_id, session_id), is_replayable=True
        )
        is_foreign = isinstance(caller, DevicePrincipal) and caller.profile_id != profile_id
        if profile_id is None or is_foreign:
            raise NotFound("We couldn't find that session.")
        key = ProfileKey(household_id, profile_id)
        known = {key: await self._configurations.get(key)}
        device_id = caller.device_id if isinstance(caller, DevicePrincipal) else None

        async def work(unit: UnitOfWork) -> EndAnswer:
            question = Question(key, device_id=device_id, session_id=session_id, caller=caller)
            (loaded,) = await load_viewers(unit, [question], known, self._floor.clock.now())
            raise_for_credential(caller, loaded.credential)
            now = self._floor.clock.now()
            settlement = settle_end(loaded.viewer, session_id, counters, now)
            session = settlement.session
            if session is None or session.ended_at is None:
                raise NotFound("We couldn't find that session.")
            batch = Batch()
            batch.add_settlement(loaded.viewer, settlement)
            await store(unit, batch, now)
            return EndAnswer(session.id, session.total_ms, session.ended_at)

        return await self._floor.database.run(work, is_replayable=True)

    async def close_silent(self, key: ProfileKey, device_id: str, session_id: UUID) -> bool:
        """Close one session if it has fallen silent; returns whether it had."""
        known = await self._configurations.get_many([key])
        if key not in known:
            return False

        async def work(unit: UnitOfWork) -> bool:
            question = Question(key, device_id=device_id, session_id=session_id)
            (loaded,) = await load_viewers(unit, [question], known, self._floor.clock.now())
            now = self._floor.clock.now()
            settlement = settle_silence(loaded.viewer, now)
            batch = Batch()
            batch.add_settlement(loaded.viewer, settlement)
            await store(unit, batch, now)
            return settlement.has_writes

        return await self._floor.database.run(work, is_replayable=True)

    def _record(
        self, answers: Sequence[HeartbeatAnswer | Problem], seconds: float, operations: int
    ) -> None:
        metrics = self._floor.metrics
        metrics.heartbeat_operations += operations
        for answer in answers:
            label = "refused" if isinstance(answer, Problem) else answer.decision.enforcement.value
            metrics.heartbeats.labels(enforcement=label).inc()
            metrics.heartbeat.observe(seconds)
            metrics.heartbeat_seconds.observe(seconds)
        log.info(
            "heartbeats.settled",
            heartbeats=len(answers),
            duration_ms=round(seconds * 1000, 2),
            database_operations=operations,
        )


def refusal_of(settlement: Settlement) -> Problem | None:
    """The problem that answers a refused heartbeat, None for an accepted one."""
    match settlement.outcome:
        case Outcome.SESSION_ENDED:
            return SessionEnded()
        case Outcome.SESSION_SUPERSEDED:
            session = settlement.session
            assert session is not None
            return SessionSuperseded(
                session.superseded_by_device_name or session.superseded_by_device_id
            )
        case Outcome.DEVICE_CONFLICT:
            return SessionOfOtherDevice()
        case Outcome.SESSION_UNKNOWN:
            return NotFound("We couldn't find that session.")
    return None


def _profile_gone(call: HeartbeatCall) -> Problem:
    """A device whose child was deleted isn't paired any more; a person asked for nothing known."""
    if isinstance(call.caller, DevicePrincipal):
        return DeviceNoLongerPaired()
    return NotFound("We couldn't find that profile.")


def _question(call: HeartbeatCall) -> Question:
    return Question(
        key=call.key,
        device_id=call.heartbeat.device_id,
        session_id=call.heartbeat.session_id,
        start_key=call.heartbeat.start_key,
        title_id=call.heartbeat.title_id,
        title_ref=call.title_ref,
        caller=call.caller,
    )


def _new_title_id(call: HeartbeatCall) -> UUID | None:
    ref = call.title_ref
    if ref is None:
        return None
    return title_id_for(call.key.household_id, ref.source, ref.external_id)


def _add_acquaintances(batch: Batch, call: HeartbeatCall, loaded: Loaded) -> None:
    """Store the device and the title when we first hear of them; a start shows a device alive."""
    household_id = str(call.key.household_id)
    if not loaded.is_device_known or call.heartbeat.session_id is None:
        batch.add(
            "devices",
            {
                "household_id": household_id,
                "device_id": call.heartbeat.device_id,
                "device_type": call.heartbeat.device_type,
            },
        )
    ref = call.title_ref
    if ref is not None and loaded.title_id is None:
        batch.add(
            "titles",
            {
                "id": str(_new_title_id(call)),
                "household_id": household_id,
                "source": ref.source,
                "external_id": ref.external_id,
                "name": ref.name,
            },
        )
