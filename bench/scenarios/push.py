"""Changes made through one process and heard through another, beside 1 000 idle streams."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from bench.figures import Figure
from bench.harness import Bench, Outcome, Scenario
from bench.households import Household, registered_household
from bench.latency import LatencySummary
from bench.listeners import Listener, listening
from bench.processes import cpu_seconds_of, resident_mib
from bench.service import BenchError, Service, running_service
from watchkeeper.core.embedded import find_running

IDLE_STREAMS = 1_000
_HOUSEHOLDS = 4
_CHILDREN = 5
_WARM_UP_CHANGES = 3
_LATEST_SECONDS = 10.0
_KIB_PER_MIB = 1024


@dataclass(slots=True)
class _Home:
    """A household whose guardian changes things, and the devices that should hear of it."""

    household: Household
    children: list[UUID]
    tokens: list[str]
    listeners: list[Listener] = field(default_factory=list)


@dataclass(slots=True)
class _Heard:
    """Seconds from the sending of a change to its event, by kind, and what never came."""

    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {"balance_changed": [], "policy_changed": []}
    )
    missed: int = 0


async def run(bench: Bench) -> Outcome:
    """Devices listen on a second process; guardians change things through the first."""
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(_second_process(bench))
        homes = [await _home(stack, bench) for _ in range(_HOUSEHOLDS)]
        for home in homes:
            home.listeners = await stack.enter_async_context(
                listening(second.address, home.tokens, keeps_events=True)
            )
        await _change_things(homes, _WARM_UP_CHANGES)
        tokens = [viewer.access_token for viewer in bench.take_viewers(IDLE_STREAMS)]
        before = _resident(second)
        opened = time.monotonic()
        idle = await stack.enter_async_context(
            listening(second.address, tokens, keeps_events=False)
        )
        opening_seconds = time.monotonic() - opened
        cores = await _rest(second, bench.size.push_idle_seconds)
        after = _resident(second)
        heard = await _change_things(homes, bench.size.push_changes // _HOUSEHOLDS)
        lost = sum(not listener.is_open for listener in idle)
        figures = _latency_figures(heard)
        figures += _idle_figures(before, after, lost)
        figures.append(Figure("push.open", "1 000 streams opened in", opening_seconds, "s"))
        figures.append(Figure("push.idle_cores", "cores used by idle streams", cores, ""))
        details = {"seconds": heard.seconds, "keep_alives": sum(one.pieces for one in idle)}
    return Outcome(figures, details)


@asynccontextmanager
async def _second_process(bench: Bench) -> AsyncIterator[Service]:
    """Another service on the same database, with the same keys."""
    assert bench.service.data_dir is not None
    url = await find_running(bench.service.data_dir)
    if url is None:
        raise BenchError("the database of the first service can't be found")
    settings = {
        "WATCHKEEPER_DATABASE_URL": url,
        "WATCHKEEPER_SECURITY_SECRETS_FILE": str(bench.service.data_dir / "secrets/keys.json"),
    }
    async with running_service(bench.folder / "second", settings=settings) as second:
        yield second


async def _home(stack: AsyncExitStack, bench: Bench) -> _Home:
    household = await stack.enter_async_context(registered_household(bench.service.address))
    children = [await household.add_child(f"Child {n}") for n in range(_CHILDREN)]
    await household.elevate()
    tokens = [await household.pair(child, f"tablet-{n}") for n, child in enumerate(children)]
    return _Home(household, children, tokens)


async def _change_things(homes: list[_Home], changes: int) -> _Heard:
    """Each guardian makes one change after the other, in turn a grant and new settings."""
    heard = _Heard()
    await asyncio.gather(*(_change_one(home, changes, heard) for home in homes))
    return heard


async def _change_one(home: _Home, changes: int, heard: _Heard) -> None:
    for number in range(changes):
        which = number % len(home.children)
        child, listener = home.children[which], home.listeners[which]
        path = f"/parental-controls/profiles/{child}/viewing-time"
        if number % 2:
            kind, body = "policy_changed", {"weekday_limit_minutes": 15 * (1 + number % 32)}
            request = home.household.request("PUT", path, body)
        else:
            kind = "balance_changed"
            request = home.household.request("POST", f"{path}/grant", {"minutes": 1})
        while not listener.events.empty():
            listener.events.get_nowait()
        sent = time.monotonic()
        await home.household.send(request)
        came = await _when(listener, kind)
        if came is None:
            heard.missed += 1
        else:
            heard.seconds[kind].append(came - sent)


async def _when(listener: Listener, kind: str) -> float | None:
    try:
        async with asyncio.timeout(_LATEST_SECONDS):
            while True:
                event, came = await listener.events.get()
                if event.name == kind:
                    return came
    except TimeoutError:
        return None


async def _rest(service: Service, seconds: float) -> float:
    """Cores that the process uses while nothing changes."""
    assert service.pid is not None
    before = cpu_seconds_of(service.pid)
    await asyncio.sleep(seconds)
    after = cpu_seconds_of(service.pid)
    if before is None or after is None:
        return 0.0
    return round((after - before) / seconds, 3)


def _resident(service: Service) -> float:
    memory = None if service.pid is None else resident_mib(service.pid)
    if memory is None:
        raise BenchError("the memory of a process can't be read on this system")
    return memory


def _latency_figures(heard: _Heard) -> list[Figure]:
    figures = []
    everything = [seconds for kind in heard.seconds.values() for seconds in kind]
    measured = {"": everything, **heard.seconds}
    for kind, seconds in measured.items():
        summary = LatencySummary.of_seconds(seconds)
        if summary is None:
            raise BenchError("no event arrived")
        key, label = (f"push.{kind}", f", {kind}") if kind else ("push", "")
        budget: dict[str, Any] = {} if kind else {"must": 1000, "aim": 250}
        figures += [
            Figure(f"{key}.p50", f"change to event p50{label}", summary.p50_ms, "ms"),
            Figure(f"{key}.p95", f"change to event p95{label}", summary.p95_ms, "ms", **budget),
            Figure(f"{key}.max", f"change to event, slowest{label}", summary.max_ms, "ms"),
        ]
    return [*figures, Figure("push.missed", "events that didn't come", heard.missed, "", must=0)]


def _idle_figures(before: float, after: float, lost: int) -> list[Figure]:
    each = round((after - before) * _KIB_PER_MIB / IDLE_STREAMS, 1)
    return [
        Figure("push.resident_before", "memory with 20 streams", before, "MiB"),
        Figure("push.resident_after", "memory with 1 000 more, idle", after, "MiB"),
        Figure("push.stream", "memory of an idle stream", each, "KiB"),
        Figure("push.lost", "idle streams that ended", lost, "", must=0),
    ]


PUSH = Scenario("push", "Changes pushed from process to process", run, is_own_only=True)
