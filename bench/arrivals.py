"""When requests are due in an open loop: independent of how fast the answers come."""

import random


def poisson_schedule(
    rate_per_second: float, duration_seconds: float, draw: random.Random
) -> list[float]:
    """Due times in seconds from the start, ascending, with exponential gaps.

    Many players that beat independently of each other arrive like this: mostly spread, sometimes
    several at once. The same `draw` seed gives the same schedule, so that runs can be compared.
    """
    if rate_per_second <= 0 or duration_seconds <= 0:
        raise ValueError("rate and duration must be above zero")
    due_times: list[float] = []
    due = draw.expovariate(rate_per_second)
    while due < duration_seconds:
        due_times.append(due)
        due += draw.expovariate(rate_per_second)
    return due_times
