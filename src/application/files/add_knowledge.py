from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from application.files.await_index import AwaitIndex
from application.files.check_incoming import CheckIncoming, Incoming
from application.files.delete_file import DeleteFile
from application.files.keep_file import KeepFile
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from application.ports.persistence import Account, Work, WorkFactory
from domain.document import BadFile, FileKind, FileNotFound, IndexState, StoredFile
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
    delete_file: DeleteFile

    def welcome(self, name: str) -> Callable[[int], None]:
        """As in UploadFile."""
        return self.check_incoming.named(name, FileKind.DOCUMENT).require_size

    async def __call__(self, account: Account, incoming: Incoming | None) -> StoredFile:
        """Raises the refusals of CheckIncoming and KeepFile; BadFile, KnowledgeUnreachable, KnowledgeTimeout
        or KnowledgeFailed when indexing failed: nothing is kept then."""
        if incoming is None:
            raise MissingField("No file provided")
        checked = await self.check_incoming(account.id, incoming, FileKind.DOCUMENT)
        file, _ = await self.keep_file(checked, account.id, _added, public=account.role.teaches)
        await self.await_index(file)
        if file.rag_status is IndexState.FAILED:
            with suppress(FileNotFound):  # somebody was quicker
                await self.delete_file(account, file.id)
            raise _refusal(file.rag_error or "")
        if file.rag_status is IndexState.INDEXED:  # by now it has its report
            async with self.work() as w:
                return await w.files.get(file.id) or file
        return file


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
