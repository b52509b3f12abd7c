"""Progress, written down now and then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from application.ports.progress import Progress
from application.tasks import ended
from domain.errors import StorageUnavailable

EVERY_S = 1.0
NEARLY = 99  # per cent: what is done is settled, not reported


@asynccontextmanager
async def reported(
    write: Callable[[int], Awaitable[None]], every_s: float = EVERY_S
) -> AsyncIterator[Progress]:
    """What is told as long as the context lasts is written as per cent: the newest, at most every `every_s`,
    and not where it is no news. An outage is passed over."""
    newest = 0

    def told(done: int, total: int) -> None:
        nonlocal newest
        newest = max(newest, min(NEARLY, 100 * done // max(1, total)))

    async def keep_writing() -> None:
        written = 0
        while True:
            await asyncio.sleep(every_s)
            if newest > written:
                with suppress(StorageUnavailable):
                    percent = newest
                    await write(percent)
                    written = percent

    writing = asyncio.create_task(keep_writing())
    try:
        yield told
    finally:
        await ended(writing)
