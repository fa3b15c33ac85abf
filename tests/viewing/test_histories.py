"""The same random histories through HTTP on the real database and through the rules in memory.

The rules have properties of their own; here the question is whether what was loaded, stored and
answered is what they said: every answer and every sum must agree.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.harness.family import Family, Player
from tests.harness.service import Service
from tests.harness.sums import assert_sums_agree
from tests.viewing.rules.home import FILM, LESSON, SERIES, Home
from watchkeeper.core.database import UnitOfWork
from watchkeeper.viewing.jobs import close_silent_sessions
from watchkeeper.viewing.policy_types import DateOverride, DaySettings, Policy, Window
from watchkeeper.viewing.types import Outcome, PlayState, Settlement

STATUS = {
    Outcome.STARTED: 200,
    Outcome.START_REPEATED: 200,
    Outcome.ACCEPTED: 200,
    Outcome.DUPLICATE: 200,
    Outcome.SESSION_ENDED: 410,
    Outcome.SESSION_SUPERSEDED: 410,
}
DEVICES = ("tv", "tablet")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

beats = st.tuples(
    st.just("beat"),
    st.sampled_from(DEVICES),
    st.sampled_from(list(PlayState)),
    st.sampled_from([FILM, SERIES, LESSON]),
)
waits = st.tuples(
    st.just("wait"),
    st.sampled_from([0.0, 0.4, 1, 5, 29, 30, 31, 60, 89.5, 95, 180, 299, 400, 3_600, 50_000]),
)
histories = st.lists(
    st.one_of(
        beats,
        beats,
        beats,
        waits,
        waits,
        waits,
        st.tuples(st.just("repeat"), st.sampled_from(DEVICES)),
        st.tuples(st.just("lose"), st.sampled_from(DEVICES)),
        st.tuples(st.just("restart"), st.sampled_from(DEVICES)),
        st.tuples(st.just("end"), st.sampled_from(DEVICES)),
        st.tuples(st.just("grant"), st.sampled_from([15, 60, -30, 1, None])),
        st.tuples(st.just("extend"), st.sampled_from([15, 60, None])),
        st.tuples(st.just("limit"), st.sampled_from([15, 30, 120, None])),
        st.tuples(st.just("windows"), st.sampled_from([None, (900, 935), (1200, 901), (0, 1440)])),
        st.tuples(st.just("override"), st.sampled_from([None, 15, 480])),
        st.tuples(st.just("lock"), st.sampled_from([None, 20, 3_600, 100_000])),
        st.tuples(st.just("unlock")),
        st.tuples(st.just("reap")),
    ),
    min_size=5,
    max_size=30,
)


def _wire(pair: tuple[int, int]) -> dict[str, str]:
    start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in pair)
    return {"from": start, "to": end}


@dataclass
class Both:
    """One child, watched twice: by the service and by the rules in memory."""

    family: Family
    home: Home
    signed_in_at: datetime
    players: dict[str, Player] = field(default_factory=dict)
    sessions: dict[str, UUID] = field(default_factory=dict)

    async def beat(self, device: str, state: PlayState, title: UUID, *, seq_step: int = 1) -> None:
        player = self.players[device]
        player.title = {"title_id": str(title)}
        if player.session_id is None:
            player.seq = player.played_ms = player.paused_ms = 0
        elif seq_step:
            player.seq += seq_step - 1
        else:
            player.seq -= 1
        counters = (player.seq, player.played_ms, player.paused_ms) if player.counting else None
        had_session = player.session_id is not None
        response = await player.send(state=state)
        answer = self.home.beat(
            device,
            state,
            session=self.sessions[device] if had_session else None,
            title=title,
            counters=counters,
        )
        self.compare(answer, response)
        if response.status_code == 200:
            assert answer.session is not None
            self.sessions[device] = answer.session.id
        else:
            player.session_id = None

    def compare(self, answer: Settlement, response: Any) -> None:
        assert response.status_code == STATUS[answer.outcome], (answer.outcome, response.text)
        if answer.decision is None:
            return
        told, expected = response.json(), answer.decision
        assert told["enforcement"] == expected.enforcement
        assert told["reason"] == expected.reason
        assert told["used_minutes"] == round(expected.used_ms / 60_000, 5)
        left = expected.remaining_ms
        assert told["remaining_minutes"] == (None if left is None else round(left / 60_000, 5))
        assert told["is_educational"] == expected.is_exempt
        blocks_at = told["blocks_at"] and datetime.fromisoformat(told["blocks_at"])
        assert blocks_at == expected.blocks_at
        assert told["ack_seq"] == answer.ack_seq

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("beat", device, state, title):
                await self.beat(device, state, title)
            case ("repeat", device) if self.players[device].session_id:
                await self.beat(device, PlayState.PLAYING, FILM, seq_step=0)
            case ("lose", device) if self.players[device].counting:
                self.players[device].seq += 1
            case ("restart", device):
                self.players[device].session_id = None
            case ("end", device) if self.players[device].session_id:
                ended = await self.players[device].end()
                expected = self.home.end(self.sessions[device])
                assert expected.session is not None
                assert ended.json()["total_seconds"] == expected.session.total_ms // 1000
            case ("wait", seconds):
                self.wait(seconds)
                await self.stay_signed_in()
            case ("grant" | "extend" as kind, minutes):
                extends = kind == "extend"
                await self.family.grant(self.child, minutes, extends_window=extends)
                self.home.grant(minutes, extends_window=extends)
            case ("limit" | "windows" | "override" | "lock" | "unlock", *_):
                await self.change_rules(step)
            case ("reap",):
                service = self.family.service
                viewing = service.app.state.viewing
                await close_silent_sessions(service.floor, viewing.heartbeats)
                self.home.reap()

    @property
    def child(self) -> str:
        return self.players["tv"].profile_id

    async def change_rules(self, step: tuple[Any, ...]) -> None:
        """A guardian decides something; the days up to now follow what held before."""
        self.home.today()
        policy = self.home.policy
        match step:
            case ("limit", minutes):
                await self.family.settings(self.child, weekday_limit_minutes=minutes)
                self.home.policy = replace(policy, weekday_limit_minutes=minutes)
            case ("windows", pair):
                hours = [_wire(pair)] if pair else []
                await self.family.settings(self.child, windows=dict.fromkeys(WEEKDAYS, hours))
                windows = {day: (Window(*pair),) for day in range(1, 8) if pair}
                self.home.policy = replace(policy, windows=windows)
            case ("override", minutes):
                on = self.home.today().day.label
                await self.family.override(self.child, on, limit_minutes=minutes)
                overrides = {**policy.overrides, on: DateOverride(True, minutes)}
                self.home.policy = replace(policy, overrides=overrides)
            case ("lock", seconds):
                until = seconds and self.home.now + timedelta(seconds=seconds)
                await self.family.lock(self.child, until)
                self.home.lock(until)
            case ("unlock",):
                await self.family.unlock(self.child)
                self.home.unlock()
        self.home.today()

    def wait(self, seconds: float) -> None:
        """Time passes; whoever was told to play plays."""
        self.family.service.clock.advance(seconds=seconds)
        self.home.wait(seconds)
        for device, player in self.players.items():
            session = self.home.sessions.get(self.sessions.get(device, UUID(int=0)))
            if session is not None and session.state is PlayState.PLAYING:
                player.played_ms += round(seconds * 1000)
            elif session is not None and session.state is not PlayState.ENDED:
                player.paused_ms += round(seconds * 1000)

    async def stay_signed_in(self) -> None:
        """Sign in again long before the access token expires."""
        if self.home.now - self.signed_in_at > timedelta(hours=10):
            self.signed_in_at = self.home.now
            await self.family.sign_in()
            for player in self.players.values():
                player.token = self.family.token

    async def compare_rows(self) -> None:
        """Every stored day and session is as the rules left it."""
        profile_id = UUID(self.child)

        async def read(unit: UnitOfWork) -> tuple[list[Any], list[Any]]:
            days = await unit.execute(
                text(
                    "SELECT starts_at, counted_ms, exempt_ms, written_off_ms, forgiven_ms, "
                    "granted_minutes, floor_ms, unlimited_grants, limit_minutes "
                    "FROM viewing.days WHERE profile_id = :id ORDER BY starts_at"
                ),
                {"id": profile_id},
            )
            sessions = await unit.execute(
                text(
                    "SELECT counted_ms, exempt_ms, slice_count, end_reason "
                    "FROM viewing.sessions WHERE profile_id = :id ORDER BY started_at, id"
                ),
                {"id": profile_id},
            )
            return [tuple(row) for row in days], sorted(map(str, sessions))

        days, sessions = await self.family.service.database.run(read)
        assert days == [
            (
                state.day.starts_at,
                state.counted_ms,
                state.exempt_ms,
                state.written_off_ms,
                state.forgiven_ms,
                state.ledger.granted_minutes,
                state.ledger.floor_ms,
                state.ledger.unlimited_grants,
                state.limit_minutes,
            )
            for _, state in sorted(self.home.days.items())
        ]
        assert sessions == sorted(
            str(
                (
                    one.counted_ms,
                    one.exempt_ms,
                    one.slice_count,
                    one.end_reason and str(one.end_reason),
                )
            )
            for one in self.home.sessions.values()
        )


async def add_lesson(service: Service) -> None:
    """The educational title of the rules' tests, classified by the catalogue."""

    async def write(unit: UnitOfWork) -> None:
        await unit.execute(
            text(
                "INSERT INTO catalogue.titles (id, source, external_id, name, is_educational, "
                "is_classified, created_at, updated_at) "
                "VALUES (:id, 'test', 'lesson', 'A lesson', true, true, now(), now()) "
                "ON CONFLICT DO NOTHING"
            ),
            {"id": LESSON},
        )

    await service.database.run(write)


@pytest.mark.parametrize("counting", [True, False], ids=["counters", "plain"])
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories)
async def test_the_service_does_what_the_rules_say(
    service: Service, counting: bool, history: list[tuple[Any, ...]]
) -> None:
    await add_lesson(service)
    service.clock.advance(hours=24)
    family = await Family.register(service, timezone="UTC")
    child = await family.add_profile("Noa")
    home = Home(policy=Policy(), day_settings=DaySettings("UTC", 6), now=service.clock.now())
    home.latest = home.now - timedelta(days=1)
    both = Both(family, home, home.now)
    for device in DEVICES:
        both.players[device] = family.player(child, device, counting=counting)
    for step in history:
        await both.step(step)
    await assert_sums_agree(service.database, child)
    await both.compare_rows()
