"""A worker process: the job queue, mail and abandoned replies, without the web."""

import asyncio

from entrypoints.settings import Settings
from entrypoints.wiring.background import alive, chores
from entrypoints.wiring.container import build_container


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Work until told to stop; a job that is cut off is taken over by another worker."""
    container = build_container(settings)
    try:
        async with alive(container), chores(container, jobs=True):
            await stop.wait()
    finally:
        await container.close()
