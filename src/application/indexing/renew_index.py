from dataclasses import dataclass

from application.indexing.queueing import queue_indexing
from application.ports.clock import Clock
from application.ports.passages import Embedder, Passages
from application.ports.persistence import WorkFactory
from application.ports.wakeup import Wakeup

AT_ONCE = 4  # so that a fresh upload finds no more than these before it


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewIndex:
    """The embedding model was changed: documents that were indexed with another one are indexed again, a few
    at a time. Until its turn has come a document is found by words alone."""

    work: WorkFactory
    passages: Passages
    embedder: Embedder
    wakeup: Wakeup
    clock: Clock

    async def __call__(self) -> bool:
        """Whether there may be more."""
        outdated = await self.passages.outdated(self.embedder.model, AT_ONCE)
        if not outdated:
            return False
        async with self.work() as w:
            for id in outdated:
                if file := await w.files.get(id):
                    await queue_indexing(w, file, self.clock.now(), quietly=True)
            await w.commit()
        await self.wakeup.ring()
        return True
