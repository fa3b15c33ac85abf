"""`python -m bench`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from bench.harness import FULL, QUICK
from bench.results import local_path, write_results
from bench.runner import Order, progress, run_bench
from bench.scenarios import ALL
from bench.service import BenchError
from watchkeeper.core.embedded import EmbeddedError

_SIZES = {"quick": QUICK, "full": FULL}


def read_order(arguments: list[str]) -> tuple[Order, Path | None]:
    """Read the command line; ends the program with a sentence when it is wrong."""
    by_name = {scenario.name: scenario for scenario in ALL}
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures Watchkeeper on this machine, against its budgets.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="scenarios:\n" + "\n".join(f"  {s.name:<12} {s.title}" for s in ALL),
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="quick | full | SCENARIO",
        help="all scenarios in under three minutes (the default), all at length, or some",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results there, not to results/local"
    )
    parser.add_argument("--repeat", type=int, metavar="N", help="runs of each scenario")
    parser.add_argument("--url", help="measure this running service instead of starting one")
    parser.add_argument(
        "--viewers",
        type=Path,
        metavar="FILE",
        help="with --url: what `watchkeeper tokens --viewers 1000` printed there",
    )
    given = parser.parse_args(arguments)
    size_name = "full" if "full" in given.what else "quick"
    names = [name for name in given.what if name not in _SIZES]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        parser.error(f"there is no scenario '{unknown[0]}'")
    if (given.url is None) != (given.viewers is None):
        parser.error("--url and --viewers go together")
    if given.repeat is not None and given.repeat < 1:
        parser.error("--repeat is at least 1")
    size = _SIZES[size_name]
    order = Order(
        size_name=size_name,
        size=size,
        scenarios=[s for s in ALL if not names or s.name in names],
        repeats=given.repeat or size.repeats,
        url=given.url,
        viewers_path=given.viewers,
    )
    return order, given.json


async def _run(order: Order, json_path: Path | None) -> None:
    task = asyncio.current_task()
    assert task is not None
    # Also a polite end from outside must end the service and remove its data.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    document = await run_bench(order)
    machine = document["machine"]
    print(f"\n{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']} MiB")
    path = json_path or local_path(document)
    write_results(path, document)
    progress(f"Written to {path}")


def main() -> None:
    """Run the bench; exit code 1 when it couldn't be run, never because of a slow figure."""
    order, json_path = read_order(sys.argv[1:])
    try:
        asyncio.run(_run(order, json_path))
    except (BenchError, EmbeddedError, OSError) as error:
        sys.exit(f"bench: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("bench: ended before it was done")


if __name__ == "__main__":
    main()
