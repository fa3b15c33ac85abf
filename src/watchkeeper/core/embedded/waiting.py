"""Waiting for other processes, which tell nobody when they are done."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

# Short against the 2 s that a restart may take, and cheap: each look is one small file or signal.
LOOK_EVERY_SECONDS = 0.01


async def holds_within(condition: Callable[[], bool], limit: timedelta) -> bool:
    """Look until `condition` holds; False when it still doesn't after `limit`."""
    try:
        async with asyncio.timeout(limit.total_seconds()):
            while True:
                if condition():
                    return True
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError:
        return condition()
