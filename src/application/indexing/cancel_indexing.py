from dataclasses import dataclass

from application.indexing.news import tell_of_files
from application.indexing.queueing import index_key
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import Account, WorkFactory
from domain.document import FileId, FileNotFound, IndexState

CANCELLED = "RAG indexing failed: cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelIndexing:
    """A document is not indexed any more; what was indexed of it before stays. Whoever is at it notices
    within seconds, and nothing that he still settles counts."""

    work: WorkFactory
    calls: Calls
    clock: Clock

    async def __call__(self, account: Account, id: FileId) -> bool:
        """Whether there was something to cancel. Raises FileNotFound, also for a file that is not open to the
        account."""
        async with self.work() as w:
            file = await w.files.hold(id)
            if file is None or not file.is_open_to(account.id, account.role):
                raise FileNotFound
            if not await w.jobs.is_unfinished(index_key(id)):
                return False
            await w.jobs.cancel(index_key(id), self.clock.now())
            if file.rag_status is not IndexState.INDEXED:
                await w.files.mark_indexed(id, IndexState.FAILED, CANCELLED)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)
        return True
