"""Ending what runs beside us."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger(__name__)

ASK_AGAIN_S = 0.5
RESTART_S = 1.0


async def kept_going(name: str, forever: Callable[[], Awaitable[None]]) -> None:
    """What should never end is begun again when it fails: that is a bug, and no reason to do without it."""
    while True:
        try:
            await forever()
        except Exception:
            log.exception("a chore failed", extra={"chore": name})
            await asyncio.sleep(RESTART_S)


async def ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancels the tasks and returns when all of them are over, whatever they end with. Asks again and again:
    a library that is just handling a timeout may swallow a cancellation."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=ASK_AGAIN_S)
