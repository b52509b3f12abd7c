"""Ending what runs beside us."""

import asyncio
from typing import Any

ASK_AGAIN_S = 0.5


async def ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancels the tasks and returns when all of them are over, whatever they end with. Asks again and again:
    a library that is just handling a timeout may swallow a cancellation."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=ASK_AGAIN_S)
