from dataclasses import dataclass

from application.files.held_file import held_file
from application.indexing.news import tell_of_files
from application.indexing.queueing import index_key
from application.jobs.news import tell_of_cancelled_jobs
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import Account, WorkFactory
from domain.document import FileId, IndexState

CANCELLED = "RAG indexing failed: cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelIndexing:
    """A document is not indexed any more; what was indexed of it before stays. Whoever is at it hears
    so, and nothing that he still settles counts."""

    work: WorkFactory
    calls: Calls
    clock: Clock

    async def __call__(self, account: Account, id: FileId) -> bool:
        """Whether there was something to cancel. Raises FileNotFound, also for a file that is not open to the
        account."""
        async with self.work() as w:
            file = await held_file(w, account, id)
            if not await w.jobs.is_unfinished(index_key(id)):
                return False
            idle = await w.jobs.cancel(index_key(id), self.clock.now())
            if file.rag_status is not IndexState.INDEXED:
                await w.files.mark_indexed(id, IndexState.FAILED, CANCELLED)
            await w.commit()
        if not idle:
            await tell_of_cancelled_jobs(self.calls)
        await tell_of_files(self.calls, file.user_id)
        return True
