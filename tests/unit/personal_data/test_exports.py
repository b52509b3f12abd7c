"""Everything about a user in one archive, made once, handed out once, gone after a day."""

import asyncio
import io
import json
import zipfile
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from application.accounts.limits import EXPORTS
from application.personal_data.ask_for_export import AskForExport
from application.personal_data.expire_export import ExpireExport
from application.personal_data.export_account import ExportAccount
from application.personal_data.fetch_export import FetchExport
from application.ports.archives import ArchiveFailed
from application.ports.blobs import BlobUnreadable
from application.ports.personal_data import RecordKind
from domain.errors import RateLimited, StorageUnavailable
from domain.export import KEPT, Export, ExportId, ExportNotFound
from domain.job import JobKind
from domain.user import TokenDead, User, UserId
from tests.builders import a_file, a_user
from tests.fakes.archives import FakeArchives
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.persistence import FakeDatabase, FakeWorkFactory
from tests.fakes.personal_data import FakePersonalRecords
from tests.fakes.pictures import FakePictures
from tests.fakes.throttle import FakeThrottle
from tests.fakes.wakeup import FakeWakeup


class Bureau:
    """Where people ask for their data."""

    def __init__(self) -> None:
        self.clock, self.database, self.blobs = FakeClock(), FakeDatabase(), FakeBlobs()
        self.work, self.wakeup = FakeWorkFactory(self.database), FakeWakeup()
        self.records, self.pictures, self.archives = FakePersonalRecords(), FakePictures(), FakeArchives()
        self.ask = AskForExport(
            work=self.work, throttle=FakeThrottle(self.clock), wakeup=self.wakeup, clock=self.clock
        )
        self.make = ExportAccount(
            work=self.work,
            records=self.records,
            blobs=self.blobs,
            pictures=self.pictures,
            archives=self.archives,
            clock=self.clock,
        )
        self.fetch = FetchExport(work=self.work, blobs=self.blobs, clock=self.clock)
        self.expire = ExpireExport(work=self.work, blobs=self.blobs)

    async def someone(self, email: str = "ann@example.org") -> User:
        async with self.work() as w:
            user = a_user(email)
            w.users.add(user)
            await w.commit()
        return user

    async def file(self, owner: UserId, name: str, content: bytes | None, *, deleted: bool = False) -> int:
        file = a_file(owner, name, deleted=deleted)
        async with self.work() as w:
            w.files.add(file)
            await w.commit()
        if content is not None:
            self.blobs.kept[file.disk_name] = content
        return file.id

    async def ready(self, user: User) -> ExportId:
        id = (await self.ask(user.id)).id
        await self.make(id, last_try=False)
        return id

    def export(self, id: ExportId) -> Export:
        return self.database.tables.exports[id]

    def unpacked(self, id: ExportId) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.blobs.kept[self.export(id).disk_name])) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @property
    def notes(self) -> list[tuple[str, str]]:
        return [(note.title, note.type) for note in self.database.tables.notifications]

    def jobs(self, kind: JobKind) -> list[Any]:
        return [job for job in self.database.tables.jobs.values() if job.kind is kind]


@pytest.fixture
def bureau() -> Bureau:
    return Bureau()


@pytest.fixture
async def ann(bureau: Bureau) -> User:
    return await bureau.someone()


class TestAsking:
    async def test_makes_one_and_wakes_a_worker(self, bureau: Bureau, ann: User) -> None:
        export = await bureau.ask(ann.id)
        assert (export.user_id, export.ready_at) == (ann.id, None)
        (job,) = bureau.jobs(JobKind.EXPORT_ACCOUNT)
        assert job.payload == {"export_id": export.id}
        assert bureau.wakeup.rings == 1

    async def test_again_gives_the_same_until_it_was_fetched_or_is_too_old(
        self, bureau: Bureau, ann: User
    ) -> None:
        first = (await bureau.ask(ann.id)).id
        assert (await bureau.ask(ann.id)).id == first
        await bureau.make(first, last_try=False)
        assert (await bureau.ask(ann.id)).id == first
        bureau.clock.pass_(KEPT)
        second = await bureau.ready(ann)
        assert second != first
        _, pieces = await bureau.fetch(ann.id, second)
        assert (await bureau.ask(ann.id)).id == second  # while it is being fetched too
        assert b"".join([piece async for piece in pieces])
        assert (await bureau.ask(ann.id)).id not in {first, second}

    async def test_makes_only_so_many_a_day(self, bureau: Bureau, ann: User) -> None:
        for _ in range(EXPORTS.times):
            id = await bureau.ready(ann)
            assert (await bureau.ask(ann.id)).id == id  # only what is made counts
            _, pieces = await bureau.fetch(ann.id, id)
            assert b"".join([piece async for piece in pieces])
        with pytest.raises(RateLimited) as refusal:
            await bureau.ask(ann.id)
        assert not bureau.database.tables.exports
        await bureau.ask((await bureau.someone("ben@example.org")).id)
        bureau.clock.pass_(timedelta(seconds=refusal.value.retry_after))
        await bureau.ask(ann.id)

    async def test_after_a_transfer_that_died_makes_another_once_the_first_has_expired(
        self, bureau: Bureau, ann: User
    ) -> None:
        id = await bureau.ready(ann)
        async with bureau.work() as w:  # as a worker leaves it that is killed while it sends
            export = await w.exports.get(id)
            assert export is not None
            export.fetched_at = bureau.clock.now()
            await w.commit()
        assert (await bureau.ask(ann.id)).id == id
        bureau.clock.pass_(KEPT)
        assert (await bureau.ask(ann.id)).id != id
        await bureau.expire(id)
        assert id not in bureau.database.tables.exports
        assert bureau.blobs.kept == {}

    async def test_by_many_at_once_makes_one(self, bureau: Bureau, ann: User) -> None:
        asked = await asyncio.gather(*(bureau.ask(ann.id) for _ in range(20)))
        assert len({export.id for export in asked}) == 1

    async def test_by_others_makes_their_own(self, bureau: Bureau, ann: User) -> None:
        ben = await bureau.someone("ben@example.org")
        assert (await bureau.ask(ann.id)).id != (await bureau.ask(ben.id)).id

    async def test_by_somebody_who_just_left_is_refused(self, bureau: Bureau, ann: User) -> None:
        async with bureau.work() as w:
            found = await w.users.get(ann.id)
            assert found is not None
            found.bury(bureau.clock.now())
            await w.commit()
        with pytest.raises(TokenDead):
            await bureau.ask(ann.id)


class TestMaking:
    async def test_packs_records_files_and_pictures(self, bureau: Bureau, ann: User) -> None:
        first = await bureau.file(ann.id, "Notes.txt", b"one")
        second = await bureau.file(ann.id, "notes.TXT", b"two")
        lost = await bureau.file(ann.id, "lost.txt", None)
        await bureau.file(ann.id, "deleted.txt", b"gone", deleted=True)
        bureau.pictures.kept[f"user_{ann.id}_1.png"] = b"\x89PNG"
        bureau.records.kept = {
            RecordKind.ACCOUNT: [{"email": "ann@example.org"}],
            RecordKind.MESSAGE: [{"id": n, "content": "ünï" * 2000} for n in range(50)],
            RecordKind.FILE: [{"id": first}, {"id": second}, {"id": lost}],
        }

        files = bureau.unpacked(await bureau.ready(ann))

        assert files["files/Notes.txt"] == b"one"
        assert files["files/notes-2.TXT"] == b"two"
        assert files[f"picture/user_{ann.id}_1.png"] == b"\x89PNG"
        assert not {"files/lost.txt", "files/deleted.txt"} & set(files)
        assert json.loads(files["account.json"]) == {"email": "ann@example.org"}
        assert json.loads(files["profile.json"]) == {}
        assert json.loads(files["messages.json"]) == bureau.records.kept[RecordKind.MESSAGE]
        assert [file["archived_as"] for file in json.loads(files["files.json"])] == [
            "files/Notes.txt", "files/notes-2.TXT", None,
        ]  # read as a table # fmt: skip
        for name in ("chat_sessions", "notifications", "tutor_requests", "safeguards", "actions"):
            assert json.loads(files[f"{name}.json"]) == []

    async def test_tells_the_owner_and_sets_the_end(self, bureau: Bureau, ann: User) -> None:
        id = await bureau.ready(ann)
        export = bureau.export(id)
        assert (export.size, export.ready_at) == (
            len(bureau.blobs.kept[export.disk_name]),
            bureau.clock.now(),
        )
        assert bureau.notes == [("Your data is ready", "success")]
        (job,) = bureau.jobs(JobKind.EXPIRE_EXPORT)
        assert (job.payload, job.run_at) == ({"export_id": id}, bureau.clock.now() + KEPT)

    async def test_twice_tells_once(self, bureau: Bureau, ann: User) -> None:
        id = await bureau.ready(ann)
        await bureau.make(id, last_try=True)
        assert len(bureau.notes) == 1

    async def test_can_be_repeated_after_a_lost_commit(self, bureau: Bureau, ann: User) -> None:
        id = (await bureau.ask(ann.id)).id
        bureau.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await bureau.make(id, last_try=False)
        assert bureau.export(id).ready_at is None
        await bureau.make(id, last_try=False)
        assert bureau.export(id).ready_at is not None
        assert len(bureau.blobs.kept) == 1

    async def test_leaves_no_archive_behind_whatever_happens(self, bureau: Bureau, ann: User) -> None:
        bureau.archives.full = True
        id = (await bureau.ask(ann.id)).id
        with pytest.raises(ArchiveFailed):
            await bureau.make(id, last_try=False)
        assert bureau.archives.open == 0
        assert bureau.notes == []

    @pytest.mark.parametrize("died", [True, False])
    async def test_that_fails_for_good_is_told_and_makes_room(
        self, bureau: Bureau, ann: User, died: bool
    ) -> None:
        bureau.archives.full = True
        id = (await bureau.ask(ann.id)).id
        if died:
            await bureau.make.give_up(id)
        else:
            with pytest.raises(ArchiveFailed):
                await bureau.make(id, last_try=True)
        assert bureau.notes == [("Your data is not ready", "error")]
        assert (await bureau.ask(ann.id)).id != id
        await bureau.make.give_up(id)
        assert len(bureau.notes) == 1

    async def test_for_somebody_who_left_meanwhile_is_dropped(self, bureau: Bureau, ann: User) -> None:
        id = (await bureau.ask(ann.id)).id
        async with bureau.work() as w:
            await w.exports.remove(id)
            await w.commit()
        await bureau.make(id, last_try=False)
        assert bureau.blobs.kept == {}
        assert bureau.notes == []


class TestFetching:
    async def test_to_the_end_is_the_end_of_it(self, bureau: Bureau, ann: User) -> None:
        id = await bureau.ready(ann)
        whole = bureau.blobs.kept[bureau.export(id).disk_name]
        export, pieces = await bureau.fetch(ann.id, id)
        assert b"".join([piece async for piece in pieces]) == whole
        assert export.size == len(whole)
        assert bureau.blobs.kept == {}
        assert not bureau.database.tables.exports
        with pytest.raises(ExportNotFound):
            await bureau.fetch(ann.id, id)

    async def test_that_breaks_off_gives_it_back(self, bureau: Bureau, ann: User) -> None:
        await bureau.file(ann.id, "large.txt", b"x" * 300_000)
        id = await bureau.ready(ann)
        _, pieces = await bureau.fetch(ann.id, id)
        async with aclosing(pieces):
            await anext(pieces)
            with pytest.raises(ExportNotFound):
                await bureau.fetch(ann.id, id)
        assert bureau.export(id).fetched_at is None
        _, again = await bureau.fetch(ann.id, id)
        assert len(b"".join([piece async for piece in again])) > 300_000

    async def test_that_never_begins_gives_it_back(self, bureau: Bureau, ann: User) -> None:
        id = await bureau.ready(ann)
        _, pieces = await bureau.fetch(ann.id, id)
        await pieces.aclose()
        assert bureau.export(id).fetched_at is None

    async def test_by_many_at_once_succeeds_once(self, bureau: Bureau, ann: User) -> None:
        id = await bureau.ready(ann)
        outcomes = await asyncio.gather(
            *(bureau.fetch(ann.id, id) for _ in range(10)), return_exceptions=True
        )
        assert sum(isinstance(outcome, ExportNotFound) for outcome in outcomes) == 9
        (taken,) = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        await taken[1].aclose()

    async def test_is_for_the_owner_while_it_is_ready(self, bureau: Bureau, ann: User) -> None:
        ben = await bureau.someone("ben@example.org")
        id = (await bureau.ask(ann.id)).id
        with pytest.raises(ExportNotFound):
            await bureau.fetch(ann.id, id)
        await bureau.make(id, last_try=False)
        with pytest.raises(ExportNotFound):
            await bureau.fetch(ben.id, id)
        assert (await bureau.fetch.offered(ann.id, id)).fetched_at is None
        bureau.clock.pass_(KEPT)
        with pytest.raises(ExportNotFound):
            await bureau.fetch.offered(ann.id, id)

    async def test_from_a_store_that_is_away_is_told_and_gives_it_back(
        self, bureau: Bureau, ann: User
    ) -> None:
        id = await bureau.ready(ann)
        bureau.blobs.away = True
        with pytest.raises(BlobUnreadable, match="File cannot be read right now"):
            await bureau.fetch(ann.id, id)
        assert bureau.export(id).fetched_at is None

    async def test_of_lost_bytes_makes_room(self, bureau: Bureau, ann: User) -> None:
        id = await bureau.ready(ann)
        bureau.blobs.kept.clear()
        with pytest.raises(ExportNotFound):
            await bureau.fetch(ann.id, id)
        assert not bureau.database.tables.exports

    async def test_that_cannot_be_settled_now_is_left_to_its_end(
        self, bureau: Bureau, ann: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        id = await bureau.ready(ann)
        _, pieces = await bureau.fetch(ann.id, id)
        bureau.database.down = True
        assert b"".join([piece async for piece in pieces])
        assert "an export stays" in caplog.text
        bureau.database.down = False
        await bureau.expire(id)
        assert not bureau.database.tables.exports


async def test_what_nobody_fetched_goes(bureau: Bureau, ann: User) -> None:
    id = await bureau.ready(ann)
    bureau.clock.pass_(KEPT + timedelta(seconds=1))
    for _ in range(2):
        await bureau.expire(id)
    assert bureau.blobs.kept == {}
    assert not bureau.database.tables.exports
