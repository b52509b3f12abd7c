from dataclasses import dataclass
from datetime import timedelta

from application.files.held_file import held_file
from application.indexing.news import tell_of_files
from application.indexing.queueing import queue_indexing
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import Account, WorkFactory
from application.ports.throttle import Limit, Throttle
from application.ports.wakeup import Wakeup
from domain.document import FileId, FileKind, IndexState
from domain.errors import Invalid, RateLimited

REINDEX = Limit("reindex", 60, timedelta(hours=1))  # of one user


class NotADocument(Invalid):
    msg = "Only documents are indexed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReindexDocument:
    """A document is read once more, for example after a failure. What is indexed of it stays until then."""

    work: WorkFactory
    throttle: Throttle
    wakeup: Wakeup
    calls: Calls
    clock: Clock

    async def __call__(self, account: Account, id: FileId) -> None:
        """Changes nothing where a job for it is not finished yet. Raises FileNotFound, also for a file that
        is not open to the account, NotADocument, RateLimited."""
        if wait := await self.throttle.take(REINDEX, str(account.id)):
            raise RateLimited(retry_after=wait)
        async with self.work() as w:
            file = await held_file(w, account, id)
            if file.kind is not FileKind.DOCUMENT:
                raise NotADocument
            if file.rag_status is not IndexState.INDEXED:
                await w.files.mark_indexed(id, IndexState.PENDING)
            await queue_indexing(w, file, self.clock.now())
            await w.commit()
        await self.wakeup.ring()
        await tell_of_files(self.calls, file.user_id)
