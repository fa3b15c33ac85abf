"""`watchkeeper simulate`."""

import asyncio
import resource
import secrets
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from watchkeeper.cli.database import command_settings, opened_floor
from watchkeeper.cli.failures import CommandFailedError
from watchkeeper.cli.simulation_report import Run, say_document, say_report
from watchkeeper.cli.terminal import note, say
from watchkeeper.client import ClientError, ProblemError
from watchkeeper.client.clock import SystemPlayerClock
from watchkeeper.settings import Settings
from watchkeeper.simulate.households import (
    SimulatedChild,
    SimulatedTitles,
    make_households,
    read_charges,
    remove_households,
)
from watchkeeper.simulate.judgement import Summary
from watchkeeper.simulate.simulation import Progress, Simulation

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LINE_EVERY_SECONDS = 10.0
_REDRAW_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What is simulated, and where; `seed` None draws one."""

    url: str
    viewers: int
    lasting: timedelta
    speed: float
    seed: int | None
    is_kept: bool


def simulate(data_dir: Path | None, options: Options, *, as_json: bool) -> None:
    """Play, say what was charged, and end with status 1 when a child was charged wrongly."""
    settings = command_settings(data_dir)
    _allow_many_connections()
    with _runner() as runner:
        run, summary = runner.run(_simulate(settings, options))
    say_document(run, summary) if as_json else say_report(run, summary)
    if not summary.is_fair:
        sys.exit(1)


def remove_leftovers(data_dir: Path | None) -> None:
    """Remove the households of simulations that couldn't tidy up."""
    settings = command_settings(data_dir)

    async def work() -> int:
        async with opened_floor(settings) as floor:
            return await remove_households(floor)

    with _runner() as runner:
        say(f"Households removed: {runner.run(work())}.")


async def _simulate(settings: Settings, options: Options) -> tuple[Run, Summary]:
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    children, titles = await _make(settings, options, seed)
    clock = SystemPlayerClock()
    try:
        simulation = Simulation(options.url, children, titles, options.speed, seed, clock)
        async with simulation:
            await _require_service(simulation)
            begun = clock.monotonic()
            await _play(simulation, options.lasting)
            lasted = timedelta(seconds=clock.monotonic() - begun)
            summary = await _judge(settings, simulation, children)
    finally:
        if not options.is_kept:
            await _remove(settings, children)
    used = resource.getrusage(resource.RUSAGE_SELF)
    run = Run(
        viewers=options.viewers,
        speed=options.speed,
        seed=seed,
        lasted=lasted,
        processor=timedelta(seconds=used.ru_utime + used.ru_stime),
        happened=simulation.happened,
        traffic=simulation.traffic,
    )
    return run, summary


async def _make(
    settings: Settings, options: Options, seed: int
) -> tuple[list[SimulatedChild], SimulatedTitles]:
    valid_for = options.lasting + timedelta(hours=1)
    chance = Random(f"{seed}/households")  # noqa: S311 - repeatable, not secret
    async with opened_floor(settings) as floor:
        return await make_households(floor, options.viewers, chance, valid_for)


async def _require_service(simulation: Simulation) -> None:
    """One call before hundreds: the service must be there, and know these children."""
    try:
        await simulation.ask_balance()
    except ProblemError as error:
        raise CommandFailedError(
            f"The service at {simulation.url} doesn't know the simulated children ({error}). Is "
            "it the one that works on this data folder or database, with the same secrets?"
        ) from error
    except ClientError as error:
        raise CommandFailedError(
            f"No service answers at {simulation.url} ({error}). Start one with: watchkeeper serve"
        ) from error


async def _play(simulation: Simulation, lasting: timedelta) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, over.set)
    try:
        await simulation.play(lasting, over, _Ticker().tell)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _judge(
    settings: Settings, simulation: Simulation, children: list[SimulatedChild]
) -> Summary:
    async with opened_floor(settings) as floor:
        charges = await read_charges(floor, children)
    try:
        return await simulation.judge({id_: one.forgiven for id_, one in charges.items()})
    except ClientError as error:
        raise CommandFailedError(
            f"The service doesn't say what it charged ({error}), so nothing was judged."
        ) from error


async def _remove(settings: Settings, children: list[SimulatedChild]) -> None:
    households = sorted({child.household_id for child in children})
    async with opened_floor(settings) as floor:
        await remove_households(floor, households)


class _Ticker:
    """One line about how far it is: redrawn on a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = timedelta(seconds=-60)

    def tell(self, progress: Progress) -> None:
        every = _REDRAW_EVERY_SECONDS if self._is_terminal else _LINE_EVERY_SECONDS
        is_last = progress.elapsed >= progress.total
        if progress.elapsed - self._shown_at < timedelta(seconds=every) and not is_last:
            return
        self._shown_at = progress.elapsed
        line = (
            f"{progress.elapsed.total_seconds():.0f} of {progress.total.total_seconds():.0f} s: "
            f"{progress.watching:,} watching, {progress.traffic.fates.total():,} requests"
        )
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if is_last else ""))
            sys.stderr.flush()
        else:
            note(line)


def _allow_many_connections() -> None:
    """Every child has connections of its own; the usual limit is for a thousand files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _runner() -> "asyncio.Runner":
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
