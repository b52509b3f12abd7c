import asyncio
from contextlib import suppress
from dataclasses import dataclass

from application.ports.persistence import Reading
from domain.document import IndexState, StoredFile
from domain.errors import StorageUnavailable

POLL_S, RARELY_S = 0.1, 1.0  # at first, and when it takes long


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitIndex:
    """So that most clients hear at once whether their document can be searched."""

    reading: Reading
    at_most_s: float

    async def __call__(self, file: StoredFile) -> None:
        """The file knows how its indexing went, or that it is not over yet."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.at_most_s
        pause = POLL_S
        while file.rag_status is IndexState.PENDING and (left := deadline - loop.time()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(RARELY_S, 1.2 * pause)
            with suppress(StorageUnavailable):  # the upload has succeeded, whatever happens now
                state, error = await self.reading.index_state(file.id)
                if state is None:  # deleted meanwhile: nobody will ever know
                    return
                file.rag_status, file.rag_error = state, error
