"""The sweep over real stores: a folder beside SQLite, a bucket beside PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.disk.blobs import DiskBlobs
from adapters.sql.blob_register import SqlBlobRegister
from adapters.sql.engine import reading
from application.files.check_incoming import Checked
from application.files.keep_file import KeepFile
from application.files.sweep_orphans import SweepOrphans
from application.jobs.work_off import LEASE
from application.ports.blobs import Blobs
from application.ports.persistence import Work
from domain.document import FileId, FileKind, Quota, StoredFile
from domain.job import JobKind
from domain.user import UserId
from tests.builders import a_file, a_user
from tests.contracts.stores import SqlStore
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.wakeup import FakeWakeup

IN_TWO_DAYS = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class House:
    store: SqlStore
    blobs: Blobs
    ann: UserId

    async def file(self, *, bytes: bool = True) -> tuple[FileId, str]:
        file = a_file(self.ann)
        file.disk_name, file.created_at = uuid4().hex, datetime.now(UTC)
        if bytes:
            await self.blobs.put(file.disk_name, _pieces())
        return await self.store.keep(file), file.disk_name

    async def orphan(self) -> str:
        name = uuid4().hex
        await self.blobs.put(name, _pieces())
        return name

    async def sweep(self, ahead: timedelta = timedelta()) -> None:
        """Two in a row: what the first one finds is the other one's payload."""
        clock = FakeClock(datetime.now(UTC) + ahead)
        register = SqlBlobRegister(reading(self.store.engine))
        sweep = SweepOrphans(
            work=self.store.work, register=register, blobs=self.blobs, calls=FakeCalls(), clock=clock
        )
        before = await self.kept()
        await sweep()
        assert await self.kept() >= before
        clock.pass_(timedelta(hours=1))
        job = await self.store.queue.claim("w1", clock.now(), LEASE, [JobKind.SWEEP_ORPHANS])
        if job is not None:
            await sweep(set(job.words("suspects")))
            await self.store.queue.finish(job.id, job.holder)

    async def kept(self) -> set[str]:
        return {blob.name async for blob in self.blobs.inventory()}

    @property
    def keep_file(self) -> KeepFile:
        clock = FakeClock(datetime.now(UTC))
        return KeepFile(
            work=self.store.work,
            reading=self.store.reading,
            blobs=self.blobs,
            wakeup=FakeWakeup(),
            calls=FakeCalls(),
            clock=clock,
            quota=Quota(100, 100),
        )


@pytest.fixture(params=["disk", "s3"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SqlStore, Blobs]:
    if request.param == "disk":
        return request.getfixturevalue("sqlite_store"), DiskBlobs(tmp_path / "blobs")
    return request.getfixturevalue("postgresql_store"), request.getfixturevalue("s3_blobs")


@pytest.fixture
async def house(stores: tuple[SqlStore, Blobs]) -> House:
    store, blobs = stores
    await store.clear()
    async with store.work() as w:
        ann = a_user("ann@example.org")
        w.users.add(ann)
        await w.commit()
    return House(store, blobs, ann.id)


async def _pieces() -> AsyncIterator[bytes]:
    yield b"bytes"


async def _nothing_else(w: Work, file: StoredFile) -> None:
    w.files.add(file)
    await w.flush()


async def test_after_a_day_orphans_of_both_kinds_are_gone(house: House) -> None:
    fine = [await house.file() for _ in range(3)]
    orphan = await house.orphan()
    lost, _ = await house.file(bytes=False)

    await house.sweep()
    assert orphan in await house.kept()
    assert await house.store.notes() == []

    await house.sweep(ahead=IN_TWO_DAYS)
    assert await house.kept() == {name for _, name in fine}
    ((user, title, _, _),) = await house.store.notes()
    assert (user, title) == (house.ann, "File lost")
    living = await house.store.rows("SELECT id FROM stored_file WHERE deleted_at IS NULL ORDER BY id")
    assert [id for (id,) in living] == sorted(id for id, _ in fine)
    jobs = await house.store.rows("SELECT kind, dedup_key FROM job WHERE state = 'waiting'")
    assert jobs == [("erase_file", f"erase_file:{lost}")]


async def test_nothing_is_taken_from_under_uploads(house: House, tmp_path: Path) -> None:
    await house.file()
    path = tmp_path / "notes.png"
    path.write_bytes(bytes(300_000))
    checked = Checked("notes.png", FileKind.IMAGE, "png", path, 300_000)
    done = asyncio.Event()

    async def sweep_again_and_again() -> None:
        while not done.is_set():
            await house.sweep()

    sweeping = asyncio.ensure_future(sweep_again_and_again())
    await asyncio.gather(*(house.keep_file(checked, house.ann, _nothing_else) for _ in range(8)))
    done.set()
    await sweeping

    named = await house.store.rows("SELECT disk_name FROM stored_file")
    assert {name for (name,) in named} == await house.kept()
    assert len(named) == 9


async def test_the_store_of_another_database_is_left_alone(house: House) -> None:
    for _ in range(11):
        await house.orphan()
    await house.file()

    await house.sweep(ahead=IN_TWO_DAYS)

    assert len(await house.kept()) == 12


async def test_a_store_that_shows_nothing_is_not_believed(house: House) -> None:
    for _ in range(3):
        await house.file(bytes=False)

    await house.sweep(ahead=IN_TWO_DAYS)

    assert await house.store.rows("SELECT count(*) FROM stored_file WHERE deleted_at IS NOT NULL") == [(0,)]
