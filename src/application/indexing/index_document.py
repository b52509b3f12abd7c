import asyncio
from dataclasses import asdict, dataclass
from functools import partial

from application.indexing.news import tell_of_files
from application.indexing.reported import reported
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.knowledge import Knowledge
from application.ports.persistence import Work, WorkFactory
from domain.document import BadFile, FileId, IndexState, StoredFile
from domain.errors import DomainError
from domain.job import Job

LIMIT_S = 900.0
GIVEN_UP = "RAG indexing failed: given up"
TOO_LONG = "RAG indexing failed: took too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDocument:
    """Make a document findable and tell its owner. What comes of it counts only while the claim on the job
    stands, and ends the job in the same transaction: it is told once, whoever else had begun with it."""

    work: WorkFactory
    knowledge: Knowledge
    calls: Calls
    clock: Clock
    limit_s: float = LIMIT_S

    async def __call__(self, id: FileId, job: Job) -> None:
        """Raises what may go better another time, unless this is the last try."""
        async with self.work() as w:
            file = await w.files.get(id)
        if file is None or file.deleted_at is not None:
            return
        await tell_of_files(self.calls, file.user_id)
        try:
            async with asyncio.timeout(self.limit_s), reported(partial(self._report, file, job)) as told:
                made = await self.knowledge.index(file, told)
        except TimeoutError:
            await self._settle(file, job, IndexState.FAILED, TOO_LONG)
        except BadFile as refusal:
            await self._settle(file, job, IndexState.FAILED, refusal.msg)
        except DomainError as refusal:
            if job.is_last_try:
                await self._settle(file, job, IndexState.FAILED, _for_uploader(refusal))
                return
            await self._note(file, job, _for_uploader(refusal))
            raise
        else:
            await self._settle(file, job, IndexState.INDEXED, report=asdict(made))

    async def give_up(self, id: FileId) -> None:
        """Every try has ended the worker that made it; its owner is told."""
        async with self.work() as w:
            file = await w.files.hold(id)
            if file is None:
                return
            await self._mark(w, file, IndexState.FAILED, GIVEN_UP)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)

    async def _settle(
        self,
        file: StoredFile,
        job: Job,
        state: IndexState,
        error: str | None = None,
        report: dict[str, object] | None = None,
    ) -> None:
        async with self.work() as w:
            held = await w.files.hold(file.id)
            if held is None or not await w.jobs.finish(job):
                return
            silent = state is IndexState.INDEXED and "quietly" in job.payload
            await self._mark(w, held, state, error, report, tell=not silent)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)

    async def _mark(
        self,
        w: Work,
        file: StoredFile,
        state: IndexState,
        error: str | None,
        report: dict[str, object] | None = None,
        *,
        tell: bool = True,
    ) -> None:
        await w.files.mark_indexed(file.id, state, error and error[:100], report)
        if tell and file.user_id is not None:
            title, message, type = _news(file, state, error)
            await w.notifications.add(file.user_id, title, message, type, self.clock.now())

    async def _note(self, file: StoredFile, job: Job, error: str) -> None:
        """It is tried again: nobody is told, but who looks sees why it takes so long. What was indexed before
        still is."""
        async with self.work() as w:
            if file.rag_status is not IndexState.INDEXED and await w.jobs.is_held(job):
                await w.files.mark_indexed(file.id, IndexState.FAILED, error[:100])
                await w.commit()
        await tell_of_files(self.calls, file.user_id)

    async def _report(self, file: StoredFile, job: Job, percent: int) -> None:
        async with self.work() as w:
            await w.jobs.progress(job, percent)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)


def _for_uploader(refusal: DomainError) -> str:
    return refusal.msg if refusal.msg.startswith("RAG ") else f"RAG indexing failed: {refusal.code}"


def _news(file: StoredFile, state: IndexState, error: str | None) -> tuple[str, str, str]:
    if state is IndexState.INDEXED:
        return "Document ready", f"{file.original_name} can now be searched.", "success"
    return "Document not indexed", f"{file.original_name} could not be indexed. {error}", "error"
