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
from watchkeeper.viewing.announcements import announce_superseded
from watchkeeper.viewing.configuration import ConfigurationCache
from watchkeeper.viewing.events_repository import store_and_notify
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
    Viewer,
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

    async def answer(
        self, calls: Sequence[HeartbeatCall], waited_seconds: Sequence[float]
    ) -> list[HeartbeatAnswer | Problem]:
        """Settle heartbeats of different profiles in one transaction; answers in their order.

        `waited_seconds` is how long each waited before; its duration in the metrics begins with
        that. A refusal of one (unknown profile, ended session, revoked credential) is its answer
        and doesn't touch the others. Committed before it returns. Raises `Unavailable` problems
        when the database can't be used. Locks: the profiles' rows, in key order. Query cost: one
        statement to load and one to store, one more when configurations aren't cached or have just
        changed.
        """
        started = time.perf_counter()
        with count_operations() as count:
            result = await self._floor.database.run(
                lambda unit: self._settle(unit, calls), is_replayable=True
            )
        seconds = time.perf_counter() - started
        self._record(result, waited_seconds, seconds, count.operations)
        return result

    async def _settle(
        self, unit: UnitOfWork, calls: Sequence[HeartbeatCall]
    ) -> list[HeartbeatAnswer | Problem]:
        if not calls:
            return []
        loaded = await load_viewers(
            unit, [_question(call) for call in calls], self._floor.clock.now()
        )
        known = await self._configurations.current(
            unit, {state.key: state.version for state in loaded}
        )
        # The clock is read when the locks are held, so that nobody who waited for them settles
        # with an instant from before what the one before it stored.
        now = self._floor.clock.now()
        batch = Batch()
        answers = [
            self._settle_one(unit, call, state, known.get(call.key), now, batch)
            for call, state in zip(calls, loaded, strict=True)
        ]
        await store_and_notify(unit, batch, now)
        return answers

    def _settle_one(
        self,
        unit: UnitOfWork,
        call: HeartbeatCall,
        loaded: Loaded,
        configuration: Configuration | None,
        now: datetime,
        batch: Batch,
    ) -> HeartbeatAnswer | Problem:
        if configuration is None:
            return _profile_gone(call)
        try:
            raise_for_credential(call.caller, loaded.credential)
        except Problem as problem:
            return problem
        viewer = loaded.viewer(configuration)
        heartbeat = replace(
            call.heartbeat,
            title_id=loaded.title_id or _new_title_id(call),
            device_name=loaded.device_name,
        )
        settlement = settle(viewer, heartbeat, now, random.random())  # noqa: S311 - spread
        refusal = refusal_of(settlement)
        batch.add_settlement(viewer, settlement)
        for lost in settlement.superseded:
            announce_superseded(unit, call.key, lost)
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
        device_id = caller.device_id if isinstance(caller, DevicePrincipal) else None

        async def work(unit: UnitOfWork) -> EndAnswer:
            question = Question(key, device_id=device_id, session_id=session_id, caller=caller)
            loaded, viewer = await self._load_one(unit, question)
            raise_for_credential(caller, loaded.credential)
            if viewer is None:
                raise NotFound("We couldn't find that session.")
            now = self._floor.clock.now()
            settlement = settle_end(viewer, session_id, counters, now)
            session = settlement.session
            if session is None or session.ended_at is None:
                raise NotFound("We couldn't find that session.")
            batch = Batch()
            batch.add_settlement(viewer, settlement)
            await store(unit, batch, now)
            return EndAnswer(session.id, session.total_ms, session.ended_at)

        return await self._floor.database.run(work, is_replayable=True)

    async def close_silent(self, key: ProfileKey, device_id: str, session_id: UUID) -> bool:
        """Close one session if it has fallen silent; returns whether it had."""

        async def work(unit: UnitOfWork) -> bool:
            question = Question(key, device_id=device_id, session_id=session_id)
            _, viewer = await self._load_one(unit, question)
            if viewer is None:
                return False
            now = self._floor.clock.now()
            settlement = settle_silence(viewer, now)
            batch = Batch()
            batch.add_settlement(viewer, settlement)
            await store(unit, batch, now)
            return settlement.has_writes

        return await self._floor.database.run(work, is_replayable=True)

    async def _load_one(self, unit: UnitOfWork, question: Question) -> tuple[Loaded, Viewer | None]:
        """Lock and load one profile; None instead of a viewer when it is gone."""
        (loaded,) = await load_viewers(unit, [question], self._floor.clock.now())
        known = await self._configurations.current(unit, {question.key: loaded.version})
        configuration = known.get(question.key)
        return loaded, None if configuration is None else loaded.viewer(configuration)

    def _record(
        self,
        answers: Sequence[HeartbeatAnswer | Problem],
        waited_seconds: Sequence[float],
        seconds: float,
        operations: int,
    ) -> None:
        metrics = self._floor.metrics
        metrics.heartbeat_operations += operations
        for answer, waited in zip(answers, waited_seconds, strict=True):
            label = "refused" if isinstance(answer, Problem) else answer.decision.enforcement.value
            metrics.heartbeats.labels(enforcement=label).inc()
            metrics.heartbeat.observe(waited + seconds)
            metrics.heartbeat_seconds.observe(waited + seconds)
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
