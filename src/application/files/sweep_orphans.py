"""Blob store and database are brought to agree again after crashes."""

import logging
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from application.files.burying import bury
from application.indexing.news import tell_of_files
from application.ports.blob_register import BlobRegister, RegisteredBlob
from application.ports.blobs import BlobNotFound, Blobs, KeptBlob
from application.ports.calls import Calls
from application.ports.clock import Clock
from application.ports.persistence import Work, WorkFactory
from domain.document import FileId
from domain.job import JobKind

log = logging.getLogger(__name__)

SETTLED = timedelta(days=1)  # what is younger may just be coming in
FEW, ONE_IN = 10, 50  # so few may be orphans, or one of so many
MOST = 10_000  # of each kind in one sweep; the next one goes on
PORTION = 500

T = TypeVar("T")


@dataclass(slots=True)
class Findings(Generic[T]):
    """All are counted, the first of them kept: how many there are tells whether any of them is believed."""

    most: int
    count: int = 0
    first: list[T] = field(default_factory=list)

    def add(self, found: T) -> None:
        self.count += 1
        if len(self.first) < self.most:
            self.first.append(found)


@dataclass(slots=True)
class Difference:
    """Blobs that no row names, and files whose bytes nobody has."""

    unnamed: Findings[str]
    lost: Findings[tuple[FileId, str]]
    agreeing: int = 0

    def believed(self, missing: Findings[T], alarm: str) -> Sequence[T]:
        """A crash leaves one or two. Where many do not agree, or nothing does, this is another database's
        store, a backup that is just being restored, or a disk that is not mounted."""
        if self.agreeing and missing.count <= max(FEW, self.agreeing // ONE_IN):
            return missing.first
        if missing.count:
            counts = {"agreeing": self.agreeing, "unnamed": self.unnamed.count, "lost": self.lost.count}
            log.error(alarm, extra=counts)
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSweep:
    """There is a sweep at every full hour, by whichever worker the queue gives it to."""

    work: WorkFactory
    clock: Clock

    async def __call__(self) -> None:
        async with self.work() as w:
            await _plan(w, self.clock.now())
            await w.commit()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrphans:
    """Bytes that no row names are erased; a file whose bytes are gone is deleted and its owner told. Neither
    before it is a day old and the sweep before has found it too, and nothing where too much does not agree.
    Safe to break off anywhere. Unless it `erases`, it only says what it has found."""

    work: WorkFactory
    register: BlobRegister
    blobs: Blobs
    calls: Calls
    clock: Clock
    erases: bool = True

    async def __call__(self, suspects: Collection[str] = (), most: int = MOST) -> None:
        """`suspects`: the blobs, by name, that the sweep before has found. `most` of each kind in one go.
        Raises BlobStoreUnavailable, StorageUnavailable."""
        before = self.clock.now() - SETTLED
        found = await self._difference(before, Difference(Findings(most), Findings(most)))
        unnamed = found.believed(found.unnamed, "so many blobs are named by no row that none is erased")
        lost = found.believed(found.lost, "so many files have no bytes that none is deleted")
        counts = {"unnamed": len(unnamed), "lost": len(lost)}
        if self.erases:
            counts["halves"] = await self.blobs.tidy(before)
            counts["erased"] = await self._erase([name for name in unnamed if name in suspects])
            counts["deleted"] = await self._bury([(file, name) for file, name in lost if name in suspects])
            found_now = {*unnamed, *(name for _, name in lost)}
            await self._remember(sorted(found_now.difference(suspects)))
        if any(counts.values()):
            log.warning("orphans were found", extra=counts)

    async def _remember(self, suspects: Sequence[str]) -> None:
        """For the next sweep, as its payload."""
        if suspects:
            async with self.work() as w:
                key = await _plan(w, self.clock.now())
                await w.jobs.amend(key, {"suspects": suspects})
                await w.commit()

    async def _difference(self, before: datetime, found: Difference) -> Difference:
        async with aclosing(self.blobs.inventory()) as kept, aclosing(self.register.everything()) as named:
            async for blob, row in _matched(kept, named):
                if blob and row:
                    found.agreeing += 1
                elif blob and blob.since < before:
                    found.unnamed.add(blob.name)
                elif row and row.file and row.since < before:
                    found.lost.add((row.file, row.name))
        return found

    async def _erase(self, names: Sequence[str]) -> int:
        erased = 0
        for at in range(0, len(names), PORTION):
            portion = names[at : at + PORTION]
            known = await self.register.known(portion)  # asked by name: the lists were read at leisure
            for name in portion:
                if name not in known:
                    await self.blobs.erase(name)
                    erased += 1
        return erased

    async def _bury(self, lost: Sequence[tuple[FileId, str]]) -> int:
        buried = 0
        for file, name in lost:
            if not await self._is_there(name):
                buried += await self._bury_one(file)
        return buried

    async def _is_there(self, name: str) -> bool:
        try:
            async with aclosing(self.blobs.read(name, 0, 1)) as content:
                await anext(content, b"")
        except BlobNotFound:
            return False
        return True

    async def _bury_one(self, id: FileId) -> bool:
        """Whether there still was one."""
        now = self.clock.now()
        async with self.work() as w:
            file = await w.files.hold(id)
            if file is None:
                return False
            await bury(w, file, now)
            if file.user_id is not None:
                text = f"{file.original_name} was lost and has been removed. Please upload it again."
                await w.notifications.add(file.user_id, "File lost", text, "error", now)
            await w.commit()
        await tell_of_files(self.calls, file.user_id)
        return True


async def _matched(
    kept: AsyncGenerator[KeptBlob], named: AsyncGenerator[RegisteredBlob]
) -> AsyncGenerator[tuple[KeptBlob | None, RegisteredBlob | None]]:
    """Both are in order of names: who has the same name comes together, all others alone."""
    blob, row = await anext(kept, None), await anext(named, None)
    while blob or row:
        if row is None or (blob and blob.name < row.name):
            yield blob, None
            blob = await anext(kept, None)
        elif blob is None or row.name < blob.name:
            yield None, row
            row = await anext(named, None)
        else:
            yield blob, row
            blob, row = await anext(kept, None), await anext(named, None)


async def _plan(w: Work, now: datetime) -> str:
    """The next sweep is planned, under this key."""
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    key = f"sweep:orphans:{hour:%Y-%m-%dT%H}"
    await w.jobs.add(JobKind.SWEEP_ORPHANS, {}, key, hour)
    return key
