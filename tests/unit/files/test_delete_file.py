"""Files go: by number, by name, and by names that only a RAG service knows."""

from dataclasses import dataclass

import pytest
from typing_extensions import override

from application.files.burying import Deleted
from application.files.delete_upload import Scope
from application.ports.knowledge import Erased, KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.document import FileId, FileNotFound, StoredFile
from domain.errors import DomainError, Forbidden, StorageUnavailable
from domain.job import JobKind
from domain.user import UserId
from tests.builders import a_file
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import START
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.persistence import FakeReading
from tests.unit.files.desk import ANN, BEN, TIM, Desk, account

NOTHING, ONE = Deleted(Erased()), Deleted(Erased(chunks=1))


async def by_name(desk: Desk, *names: str, user: UserId = ANN, scope: Scope | None = None) -> Deleted:
    return await desk.delete_upload(account(user), names, scope)


async def kept(desk: Desk, owner: UserId, name: str = "notes.txt", **more: object) -> StoredFile:
    """Straight into the tables, whatever its names."""
    async with desk.work() as w:
        file = a_file(owner, name, **more)  # type: ignore[arg-type]  # whatever the test says
        w.files.add(file)
        await w.commit()
    return file


class Buggy(FakeKnowledge):
    @override
    async def forget(self, file: StoredFile) -> Erased:
        raise ZeroDivisionError


class Torn(FakeBlobs):
    @override
    async def erase(self, name: str) -> None:
        raise ZeroDivisionError


class TestADeletedFile:
    async def test_is_gone_from_everywhere(self, desk: Desk) -> None:
        uploaded = await desk.upload(session="1")
        await desk.indexed(uploaded.file)
        assert await desk.delete_file(account(ANN), uploaded.file.id) == ONE
        assert (desk.tables.files, desk.blobs.kept, desk.knowledge.indexed) == ({}, {}, {})

    async def test_leaves_its_message_without_an_attachment(self, desk: Desk) -> None:
        uploaded = await desk.upload(session="1")
        await desk.delete_file(account(ANN), uploaded.file.id)
        reading = FakeReading(desk.database)
        (line,) = await reading.messages(ANN, uploaded.session, 10, None) or ()
        assert line.content == "Uploaded document: notes.txt"
        assert (line.file_type, line.file_path, line.file_id) == (None, None, None)
        async with desk.work() as w:
            assert await w.messages.last_exchange(uploaded.session) is None  # it is still no question
        assert list((await reading.turns(uploaded.session, None, 10)).turns) == []

    async def test_has_been_indexed_for_the_last_time(self, desk: Desk) -> None:
        file = (await desk.upload()).file
        await desk.delete_file(account(ANN), file.id)
        waiting = [row.kind for row in desk.tables.jobs.values() if row.unfinished]
        assert JobKind.INDEX_DOCUMENT not in waiting

    async def test_leaves_the_lists_at_once_and_a_store_that_refuses_by_a_job(self, desk: Desk) -> None:
        file = (await desk.upload()).file
        await desk.indexed(file)
        desk.knowledge.refuse_with = KnowledgeUnreachable()
        deleted = await desk.delete_file(account(ANN), file.id)
        assert deleted.pending
        assert (await FakeReading(desk.database).files(ANN, 10, 0)).total == 0
        (job,) = (row for row in desk.tables.jobs.values() if row.kind == JobKind.ERASE_FILE)
        assert (job.payload, job.unfinished) == ({"file_id": file.id}, True)
        assert job.run_at > START

    @pytest.mark.parametrize("where", ["forget", "erase"])
    async def test_is_deleted_whatever_bug_its_erasure_meets(
        self, desk: Desk, caplog: pytest.LogCaptureFixture, where: str
    ) -> None:
        file = (await desk.upload()).file
        desk.knowledge, desk.blobs = (Buggy(), desk.blobs) if where == "forget" else (desk.knowledge, Torn())
        assert await desk.delete_file(account(ANN), file.id) == Deleted(Erased(), pending=True)
        assert desk.tables.files[file.id].deleted_at is not None
        assert JobKind.ERASE_FILE in [row.kind for row in desk.tables.jobs.values() if row.unfinished]
        assert "Traceback" in caplog.text
        assert "ZeroDivisionError" in caplog.text

    async def test_costs_no_connection_while_the_stores_take_their_time(self, desk: Desk) -> None:
        held = list[int]()

        @dataclass(eq=False)
        class Watched(FakeKnowledge):
            @override
            async def forget(self, file: StoredFile) -> Erased:
                held.append(desk.database.open)
                return Erased()

        desk.knowledge = Watched()
        await desk.delete_file(account(ANN), (await desk.upload()).file.id)
        assert held == [0]

    async def test_that_could_not_be_marked_is_not_touched(self, desk: Desk) -> None:
        file = (await desk.upload()).file
        desk.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await desk.delete_file(account(ANN), file.id)
        assert desk.tables.files[file.id].deleted_at is None
        assert desk.blobs.kept


class TestByNumber:
    async def test_others_find_nothing(self, desk: Desk) -> None:
        file = (await desk.upload()).file
        for user in (BEN, TIM):
            with pytest.raises(FileNotFound):
                await desk.delete_file(account(user), file.id)
        with pytest.raises(FileNotFound):
            await desk.delete_file(account(ANN), FileId(999))
        assert desk.tables.files[file.id].deleted_at is None

    async def test_public_ones_go_by_any_tutor(self, desk: Desk) -> None:
        file = await kept(desk, BEN, public=True)
        for student in (ANN, BEN):
            with pytest.raises(FileNotFound):
                await desk.delete_file(account(student), file.id)
        assert await desk.delete_file(account(TIM), file.id) == NOTHING

    async def test_nothing_is_deleted_twice(self, desk: Desk) -> None:
        file = (await desk.upload()).file
        desk.knowledge.refuse_with = KnowledgeUnreachable()
        await desk.delete_file(account(ANN), file.id)
        with pytest.raises(FileNotFound):
            await desk.delete_file(account(ANN), file.id)


class TestByName:
    @pytest.mark.parametrize("name", ["20251118_103045_My [1].md", "My [1].md", "My _1_.md.txt"])
    async def test_stored_original_and_index_names_will_do(self, desk: Desk, name: str) -> None:
        file = (await desk.upload("My [1].md")).file
        await by_name(desk, name)
        assert file.id not in desk.tables.files

    async def test_the_stored_name_comes_first_then_the_newest_original_then_the_index_name(
        self, desk: Desk
    ) -> None:
        by_index = await kept(desk, ANN, "1.txt", index_name="x.txt")
        older = await kept(desk, ANN, "x.txt")
        newer = await kept(desk, ANN, "x.txt")
        stored = await kept(desk, ANN, "2.txt", stored_name="x.txt")
        order = list[FileId]()
        for _ in range(4):
            before = set(desk.tables.files)
            await by_name(desk, "x.txt")
            order += before - set(desk.tables.files)
        assert order == [stored.id, newer.id, older.id, by_index.id]

    async def test_students_delete_their_own(self, desk: Desk) -> None:
        await kept(desk, BEN)
        await kept(desk, TIM, public=True)
        with pytest.raises(FileNotFound):
            await by_name(desk, "notes.txt")
        with pytest.raises(Forbidden):
            await by_name(desk, "notes.txt", scope=Scope.PUBLIC)
        mine = await kept(desk, ANN)
        await by_name(desk, "notes.txt", scope=Scope.PERSONAL)
        assert mine.id not in desk.tables.files

    async def test_tutors_public_ones_first(self, desk: Desk) -> None:
        own, public = await kept(desk, TIM), await kept(desk, BEN, public=True)
        await by_name(desk, "notes.txt", user=TIM)
        assert set(desk.tables.files) == {own.id}
        again = await kept(desk, BEN, public=True)
        await by_name(desk, "notes.txt", user=TIM, scope=Scope.PERSONAL)
        assert set(desk.tables.files) == {again.id}
        with pytest.raises(FileNotFound):
            await by_name(desk, "notes.txt", user=TIM, scope=Scope.PERSONAL)
        await by_name(desk, "notes.txt", user=TIM, scope=Scope.PUBLIC)
        assert public.id not in desk.tables.files

    async def test_the_likeliest_meaning_comes_first(self, desk: Desk) -> None:
        plain, asking = await kept(desk, ANN, "a"), await kept(desk, ANN, "a?b.txt")
        await by_name(desk, "a?b.txt", "a")
        assert set(desk.tables.files) == {plain.id}
        await by_name(desk, "a?c.txt", "a")
        assert asking.id not in desk.tables.files
        assert desk.tables.files == {}

    async def test_what_was_cut_off_at_a_hash_is_enough_if_it_can_only_mean_one(self, desk: Desk) -> None:
        file = await kept(desk, ANN, "C# in brief.txt")
        await by_name(desk, "C")
        assert file.id not in desk.tables.files
        await kept(desk, ANN, "C# one.txt")
        await kept(desk, ANN, "C# two.txt")
        with pytest.raises(FileNotFound):
            await by_name(desk, "C")
        with pytest.raises(FileNotFound):
            await by_name(desk, "C%")

    @pytest.mark.parametrize("name", ["", "\0", "a\0.txt", "\ud800", "x" * 5000, "../../etc/passwd"])
    async def test_what_is_no_name_names_nothing(self, desk: Desk, name: str) -> None:
        with pytest.raises(FileNotFound):
            await by_name(desk, name)


class TestForeignNames:
    async def test_go_where_they_are(self, desk: Desk) -> None:
        desk.foreign.bases = {ANN: {"old.pdf": 4}, None: {"house.pdf": 7}, TIM: {"house.pdf": 2}}
        assert await by_name(desk, "old.pdf") == Deleted(Erased(chunks=4))
        for _ in range(2):
            with pytest.raises(FileNotFound):
                await by_name(desk, "old.pdf")
            with pytest.raises(FileNotFound):
                await by_name(desk, "house.pdf")
        assert await by_name(desk, "house.pdf", user=TIM) == Deleted(Erased(chunks=7))
        assert await by_name(desk, "house.pdf", user=TIM) == Deleted(Erased(chunks=2))

    @pytest.mark.parametrize("name", ['"', "'", "`", "\\", "a\n", "a\u2028", "\x85", 'x" or source != "'])
    async def test_that_could_mean_something_to_a_filter_are_not_passed_on(
        self, desk: Desk, name: str
    ) -> None:
        desk.foreign.bases = {ANN: {name: 1}}
        with pytest.raises(FileNotFound):
            await by_name(desk, name)
        assert desk.foreign.bases == {ANN: {name: 1}}

    @pytest.mark.parametrize(
        ("refusal", "kind"),
        [
            (KnowledgeUnreachable(), KnowledgeUnreachable),
            (KnowledgeTimeout(), KnowledgeTimeout),
            (KnowledgeFailed("RAG service error: bad response"), KnowledgeUnreachable),
        ],
    )
    async def test_are_told_when_the_service_refuses(
        self, desk: Desk, refusal: DomainError, kind: type[DomainError]
    ) -> None:
        desk.foreign.refuse_with = refusal
        with pytest.raises(kind, match=r"^Delete forward failed$"):
            await by_name(desk, "old.pdf")
        await kept(desk, ANN)
        assert await by_name(desk, "notes.txt") == NOTHING
