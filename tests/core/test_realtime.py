"""Announcements between processes, and the gaps in them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from tests.core.conftest import opened
from tests.core.proxy import DatabaseProxy
from watchkeeper.core.background import BackgroundTasks
from watchkeeper.core.database import UnitOfWork
from watchkeeper.core.realtime import Listener
from watchkeeper.core.urls import parse_database_url


class Ear:
    """What one process hears, in order."""

    def __init__(self, url: str) -> None:
        self.listener = Listener(parse_database_url(url))
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.listener.on("news", self.heard.put_nowait)
        self.listener.on_gap(lambda reason: self.heard.put_nowait(f"gap: {reason}"))


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Ear]:
    ear = Ear(url)
    background = BackgroundTasks()
    background.start("listener", ear.listener.run)
    try:
        assert await ear.heard.get() == "gap: listening began"
        await ear.listener.connected.wait()
        yield ear
    finally:
        await background.stop()


async def announce(url: str, payload: str) -> None:
    async def work(unit: UnitOfWork) -> None:
        unit.notify("news", payload)

    async with opened(url) as database:
        await database.run(work)


async def test_an_announcement_reaches_every_other_process(empty_url: str) -> None:
    async with listening(empty_url) as one, listening(empty_url) as other:
        await announce(empty_url, "changed")
        async with asyncio.timeout(5):
            assert [await one.heard.get(), await other.heard.get()] == ["changed", "changed"]


async def test_a_lost_connection_is_a_gap_and_is_opened_again(
    proxy: DatabaseProxy, empty_url: str
) -> None:
    async with listening(proxy.url) as ear, asyncio.timeout(5):
        with structlog.testing.capture_logs() as logs:
            await proxy.cut()
            assert await ear.heard.get() == "gap: the listening connection was lost"
        assert not ear.listener.is_connected
        assert [line["event"] for line in logs] == ["listener.lost"]
        # What was announced meanwhile is covered by the second gap, when listening begins.
        assert await ear.heard.get() == "gap: listening began"
        await ear.listener.connected.wait()
        await announce(empty_url, "heard again")
        assert await ear.heard.get() == "heard again"


async def test_a_server_that_is_away_is_tried_again_within_a_second(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def note_pause(seconds: float) -> None:
        pauses.append(seconds)
        await real_sleep(0)
        if len(pauses) == 8:
            await proxy.listen()

    async with listening(proxy.url) as ear, asyncio.timeout(5):
        monkeypatch.setattr("watchkeeper.core.realtime.asyncio.sleep", note_pause)
        await proxy.go_away()
        assert await ear.heard.get() == "gap: the listening connection was lost"
        assert await ear.heard.get() == "gap: listening began"
    assert pauses[0] <= 0.1
    assert max(pauses) <= 0.5
    assert pauses == sorted(pauses)


async def test_a_silent_connection_is_found_out(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.core.realtime._PROBE_EVERY_SECONDS", 0.01)
    monkeypatch.setattr("watchkeeper.core.realtime._PROBE_TIMEOUT_SECONDS", 0.05)
    async with listening(proxy.url) as ear, asyncio.timeout(5):
        proxy.is_silent = True
        assert await ear.heard.get() == "gap: the listening connection was lost"
        proxy.is_silent = False
        await proxy.cut()
        assert await ear.heard.get() == "gap: listening began"


async def test_a_channel_that_comes_too_late_is_a_mistake(empty_url: str) -> None:
    async with listening(empty_url) as ear:
        with pytest.raises(RuntimeError, match="after listening began"):
            ear.listener.on("more", print)


async def test_a_task_that_fails_is_logged_and_begun_again() -> None:
    runs = 0
    is_third = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ZeroDivisionError
        is_third.set()

    background = BackgroundTasks(pause_after_fault_seconds=0)
    with structlog.testing.capture_logs() as logs:
        background.start("work", work)
        await is_third.wait()
        await background.stop()
    assert [line["event"] for line in logs] == ["background.fault"] * 2
