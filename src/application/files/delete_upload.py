import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from application.files.burying import HEAD_START, Deleted, bury, erased_now
from application.files.erase_file import EraseFile
from application.indexing.news import tell_of_files
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.foreign_documents import ForeignDocuments
from application.ports.knowledge import Erased, KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from application.ports.persistence import Account, Work, WorkFactory
from domain.document import FileId, FileNotFound, StoredFile
from domain.errors import Forbidden
from domain.text import storable
from domain.user import UserId

FAILED = "Delete forward failed"
_UNSPEAKABLE = frozenset("\"'`\\")  # a RAG service puts the name into a filter expression as it is


class Scope(StrEnum):
    PUBLIC = "public"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUpload:
    """A file goes by its name: one of the caller's own, or a public one of a caller who teaches (these
    first). A name that nothing of ours has may be that of something a RAG service holds beside it."""

    work: WorkFactory
    foreign: ForeignDocuments
    erase_file: EraseFile
    calls: Calls
    clock: Clock

    async def __call__(self, account: Account, names: Sequence[str], scope: Scope | None) -> Deleted:
        """`names` are what the caller may have meant, likeliest first. Raises FileNotFound; Forbidden where
        `scope` is not the caller's; KnowledgeUnreachable and KnowledgeTimeout for a foreign name alone."""
        owners = _owners(account, scope)
        names = [name for name in names if name and storable(name) == name]
        if (id := await self._buried(names, owners)) is not None:
            return await erased_now(self.erase_file, id)
        for name in filter(_speakable, names):
            if (erased := await self._foreign(name, owners)) != Erased():
                return Deleted(erased)
        raise FileNotFound

    async def _buried(self, names: Sequence[str], owners: Sequence[UserId | None]) -> FileId | None:
        async with self.work() as w:
            file = await _found(w, names, owners)
            if file is None:
                return None
            await bury(w, file, self.clock.now(), HEAD_START)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)
        return file.id

    async def _foreign(self, name: str, owners: Sequence[UserId | None]) -> Erased:
        try:
            for owner in owners:
                if (erased := await self.foreign.forget(name, owner)) != Erased():
                    return erased
        except KnowledgeTimeout as error:
            raise KnowledgeTimeout(FAILED) from error
        except (KnowledgeUnreachable, KnowledgeFailed) as error:
            raise KnowledgeUnreachable(FAILED) from error
        return Erased()


def _owners(account: Account, scope: Scope | None) -> Sequence[UserId | None]:
    """Whose files are meant, in this order; None: those of the public base."""
    if scope is Scope.PERSONAL or (scope is None and not account.role.teaches):
        return [account.id]
    if not account.role.teaches:
        raise Forbidden
    return [None] if scope is Scope.PUBLIC else [None, account.id]


def _speakable(name: str) -> bool:
    return not any(c in _UNSPEAKABLE or unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name)


async def _found(w: Work, names: Sequence[str], owners: Sequence[UserId | None]) -> StoredFile | None:
    for owner in owners:
        for name in names:
            if file := await w.files.by_name(name, owner):
                return file
    for owner in owners:
        # clients that do not encode `#` send what stands before it: enough if it can only mean one
        for name in names:
            cut = await w.files.beginning_with(f"{name}#", owner)
            if len(cut) == 1:
                return cut[0]
    return None
