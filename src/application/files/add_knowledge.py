from dataclasses import dataclass

from application.files.await_index import AwaitIndex
from application.files.burying import HEAD_START, bury, erased_now
from application.files.check_incoming import CheckIncoming, Incoming
from application.files.erase_file import EraseFile
from application.files.keep_file import KeepFile
from application.indexing.news import tell_of_files
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from application.ports.persistence import Account, Work, WorkFactory
from application.ports.wakeup import Wakeup
from domain.document import BadFile, FileKind, IndexState, StoredFile
from domain.errors import DomainError, MissingField

FAILED = "Upload forward failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddKnowledge:
    """A document joins a base: the public one where its uploader teaches, else his own. It is kept only if
    it can be indexed, or if nobody knows yet when the answer is due."""

    work: WorkFactory
    check_incoming: CheckIncoming
    keep_file: KeepFile
    await_index: AwaitIndex
    erase_file: EraseFile
    wakeup: Wakeup
    calls: Calls
    clock: Clock

    async def __call__(self, account: Account, incoming: Incoming | None) -> StoredFile:
        """Raises the refusals of CheckIncoming and KeepFile; BadFile, KnowledgeUnreachable, KnowledgeTimeout
        or KnowledgeFailed when indexing failed: nothing is kept then."""
        if incoming is None:
            raise MissingField("No file provided")
        checked = await self.check_incoming(account.id, incoming, FileKind.DOCUMENT)
        file, _ = await self.keep_file(checked, account.id, _added, public=account.role.teaches)
        await self.wakeup.ring()
        await self.await_index(file)
        if file.rag_status is IndexState.FAILED:
            await self._withdraw(file)
            raise _refusal(file.rag_error or "")
        if file.rag_status is IndexState.INDEXED:  # by now it has its report
            async with self.work() as w:
                return await w.files.get(file.id) or file
        return file

    async def _withdraw(self, file: StoredFile) -> None:
        async with self.work() as w:
            held = await w.files.hold(file.id)
            if held is None:
                return
            await bury(w, held, self.clock.now(), HEAD_START)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)
        await erased_now(self.erase_file, file.id)


async def _added(w: Work, file: StoredFile) -> None:
    w.files.add(file)
    await w.flush()


def _refusal(error: str) -> DomainError:
    """As a job has noted it, for whom it concerns."""
    if error == KnowledgeUnreachable.msg:
        return KnowledgeUnreachable(FAILED)
    if error == KnowledgeTimeout.msg:
        return KnowledgeTimeout(FAILED)
    return KnowledgeFailed(FAILED) if error.startswith("RAG ") else BadFile(error)
