from dataclasses import dataclass

from application.ports.clock import Clock
from application.ports.knowledge import Knowledge
from application.ports.persistence import WorkFactory
from domain.document import BadFile, FileId, IndexState, StoredFile
from domain.errors import DomainError

GIVEN_UP = "RAG indexing failed: given up"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDocument:
    """Make an uploaded document findable and tell its owner; safe to run twice."""

    work: WorkFactory
    knowledge: Knowledge
    clock: Clock

    async def __call__(self, id: FileId, *, last_try: bool) -> None:
        """Raises what may go better another time, unless this is the last try."""
        async with self.work() as w:
            file = await w.files.get(id)
        if file is None or file.deleted_at is not None:
            return
        try:
            await self.knowledge.index(file)
        except BadFile as refusal:
            await self._settle(file, IndexState.FAILED, refusal.msg)
        except DomainError as refusal:
            await self._settle(file, IndexState.FAILED, _for_uploader(refusal), tell=last_try)
            if not last_try:
                raise
        else:
            await self._settle(file, IndexState.INDEXED)

    async def give_up(self, id: FileId) -> None:
        """Every try has ended the worker that made it; its owner is told."""
        async with self.work() as w:
            file = await w.files.get(id)
        if file is not None and file.deleted_at is None:
            await self._settle(file, IndexState.FAILED, GIVEN_UP)

    async def _settle(
        self, file: StoredFile, state: IndexState, error: str | None = None, *, tell: bool = True
    ) -> None:
        async with self.work() as w:
            await w.files.mark_indexed(file.id, state, error and error[:100])
            if tell and file.user_id is not None:
                title, message, type = _news(file, state, error)
                await w.notifications.add(file.user_id, title, message, type, self.clock.now())
            await w.commit()


def _for_uploader(refusal: DomainError) -> str:
    return refusal.msg if refusal.msg.startswith("RAG ") else f"RAG indexing failed: {refusal.code}"


def _news(file: StoredFile, state: IndexState, error: str | None) -> tuple[str, str, str]:
    if state is IndexState.INDEXED:
        return "Document ready", f"{file.original_name} can now be searched.", "success"
    return "Document not indexed", f"{file.original_name} could not be indexed. {error}", "error"
