"""The database's time, carried on by the monotonic clock."""

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.harness.clock import ManualClock
from watchkeeper.core.clock import ClockReading, DatabaseClock, SystemClock, to_milliseconds
from watchkeeper.core.config import DatabaseSettings
from watchkeeper.core.database import Database
from watchkeeper.core.metrics import Metrics

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def machine() -> ManualClock:
    """This machine's clock, an hour behind the database's."""
    return ManualClock(NOON - timedelta(hours=1))


def test_before_the_first_reading_it_is_the_machines_time(machine: ManualClock) -> None:
    clock = DatabaseClock(machine)
    machine.advance(seconds=5)
    assert clock.now() == NOON - timedelta(hours=1) + timedelta(seconds=5)


def test_the_databases_time_is_carried_on(machine: ManualClock) -> None:
    clock = DatabaseClock(machine)
    assert clock.set(ClockReading(NOON, machine.monotonic())) == timedelta(hours=1)
    machine.advance(seconds=33)
    assert clock.now() == NOON + timedelta(seconds=33)


def test_the_time_that_a_reading_took_is_counted(machine: ManualClock) -> None:
    clock = DatabaseClock(machine)
    read_at = machine.monotonic()
    machine.advance(seconds=0.2)
    clock.set(ClockReading(NOON, read_at, round_trip_seconds=0.4))
    assert clock.now() == NOON + timedelta(seconds=0.2)


@pytest.mark.parametrize("step", [timedelta(days=-400), timedelta(hours=3)])
def test_a_step_of_the_machines_clock_changes_nothing(
    machine: ManualClock, step: timedelta
) -> None:
    clock = DatabaseClock(machine)
    clock.set(ClockReading(NOON, machine.monotonic()))
    machine._now += step
    machine.advance(seconds=1)
    assert clock.now() == NOON + timedelta(seconds=1)


def test_a_correction_says_how_large_it_was(machine: ManualClock) -> None:
    clock = DatabaseClock(machine)
    clock.set(ClockReading(NOON, machine.monotonic()))
    machine.advance(seconds=60)
    elsewhere = (NOON + timedelta(seconds=60.25)).astimezone(timezone(timedelta(hours=2)))
    assert clock.set(ClockReading(elsewhere, machine.monotonic())) == timedelta(seconds=0.25)
    assert clock.now().tzinfo is UTC


def test_instants_are_truncated_to_milliseconds() -> None:
    assert to_milliseconds(NOON.replace(microsecond=999_999)).microsecond == 999_000
    assert SystemClock().now().microsecond % 1000 == 0


async def test_opening_the_database_sets_the_clock(empty_url: str, outsider: Any) -> None:
    machine = ManualClock(NOON)
    clock = DatabaseClock(machine)
    database = Database(
        empty_url, DatabaseSettings(prewarm_connections=1), clock=clock, metrics=Metrics()
    )
    before = await outsider.fetchval("SELECT clock_timestamp()")
    await database.open()
    # The machine's clock stands still by hand, so what the clock says is what was read.
    machine._monotonic = time.monotonic()
    after = await outsider.fetchval("SELECT clock_timestamp()")
    assert to_milliseconds(before) - timedelta(seconds=1) <= clock.now()
    assert clock.now() <= after + timedelta(seconds=1)
    await database.close()
