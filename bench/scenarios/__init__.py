"""Everything that is measured, one module a scenario."""

from bench.harness import Scenario
from bench.scenarios.history import HISTORY
from bench.scenarios.instant import INSTANT
from bench.scenarios.lone import LONE
from bench.scenarios.memory import MEMORY
from bench.scenarios.pin_flood import PIN_FLOOD
from bench.scenarios.push import PUSH
from bench.scenarios.report import REPORT
from bench.scenarios.restart import RESTART
from bench.scenarios.saturation import SATURATION
from bench.scenarios.start import START
from bench.scenarios.steady import STEADY

# In this order: starts first, while the machine is quiet; memory last, after all the load.
ALL: tuple[Scenario, ...] = (
    START,
    RESTART,
    LONE,
    STEADY,
    PIN_FLOOD,
    INSTANT,
    SATURATION,
    REPORT,
    HISTORY,
    PUSH,
    MEMORY,
)
