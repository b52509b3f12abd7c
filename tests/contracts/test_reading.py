"""The lists for screens, asked of the fake, SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from application.ports.persistence import (
    Account,
    Credentials,
    FileRecord,
    KnownFile,
    MessageLine,
    SessionLine,
    Shelf,
)
from domain.conversation import MessageId, MessageState, SessionId, Speaker
from domain.document import FileId, FileKind, IndexState
from domain.user import Role, Status, UserId
from tests.builders import a_file, a_message, a_stored_session, a_user, an_open_reply
from tests.contracts.stores import Store
from tests.fakes.clock import START

NOBODY = UserId(999_999)


async def someone(store: Store, name: str = "ann", status: Status = Status.INACTIVE) -> UserId:
    async with store.work() as w:
        user = a_user(f"{name}@example.org", role=Role.TUTOR, status=status)
        w.users.add(user)
        await w.commit()
    return user.id


async def session_of(store: Store, owner: UserId, title: str = "Biology", minutes: int = 0) -> SessionId:
    async with store.work() as w:
        session = await a_stored_session(w, owner, title, START + timedelta(minutes=minutes))
        await w.commit()
    return session.id


class TestAccount:
    async def test_says_role_and_ban(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben", Status.BANNED)
        assert await store.reading.account(ann) == Account(ann, "ann@example.org", Role.TUTOR, banned=False)
        assert await store.reading.account(ben) == Account(ben, "ben@example.org", Role.TUTOR, banned=True)
        assert await store.reading.account(NOBODY) is None

    async def test_knows_since_when_tokens_count(self, store: Store) -> None:
        ann = await someone(store)
        async with store.work() as w:
            user = await w.users.get(ann)
            assert user is not None
            user.revoke_tokens(START)
            await w.commit()
        account = await store.reading.account(ann)
        assert account is not None
        assert account.revoked(START)
        assert not account.revoked(START + timedelta(seconds=1))

    async def test_is_found_by_its_address(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben", Status.BANNED)
        hash = a_user().password_hash
        assert await store.reading.credentials("ann@example.org") == Credentials(ann, hash, banned=False)
        assert await store.reading.credentials("ben@example.org") == Credentials(ben, hash, banned=True)
        assert await store.reading.is_known("ann@example.org")
        for stranger in ("nobody@example.org", "ANN@example.org", "%", ""):
            assert await store.reading.credentials(stranger) is None
            assert not await store.reading.is_known(stranger)

    async def test_that_was_deleted_is_nobodys(self, store: Store) -> None:
        ann = await someone(store)
        async with store.work() as w:
            user = await w.users.get(ann)
            assert user is not None
            user.bury(START)
            await w.commit()
        assert await store.reading.account(ann) is None
        assert await store.reading.credentials("ann@example.org") is None
        assert not await store.reading.is_known("ann@example.org")


class TestHistory:
    async def test_is_the_owners_last_used_first_the_younger_before_its_twin(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        for title, minutes in (("old", 1), ("new", 9), ("twin", 5), ("other twin", 5)):
            await session_of(store, ann, title, minutes)
        await session_of(store, ben, "not hers", 7)

        listed = await store.reading.history(ann, 10, 0)

        assert [line.title for line in listed.items] == ["new", "other twin", "twin", "old"]
        assert listed.total == 4

    async def test_comes_in_pages_that_know_the_total(self, store: Store) -> None:
        ann = await someone(store)
        for n in range(5):
            await session_of(store, ann, str(n), n)
        for offset, titles in ((0, ["4", "3"]), (2, ["2", "1"]), (4, ["0"]), (6, [])):
            listed = await store.reading.history(ann, 2, offset)
            assert ([line.title for line in listed.items], listed.total) == (titles, 5)

    async def test_of_somebody_without_sessions_is_empty(self, store: Store) -> None:
        listed = await store.reading.history(NOBODY, 10, 0)
        assert (listed.total, list(listed.items)) == (0, [])

    async def test_shows_all_of_a_session(self, store: Store) -> None:
        ann = await someone(store)
        id = await session_of(store, ann)
        later = START + timedelta(minutes=1)
        async with store.work() as w:
            found = await w.sessions.get(id)
            assert found is not None
            found.is_favorite = True
            await w.flush()
            await w.sessions.count_message(id, later)
            await w.commit()
        listed = await store.reading.history(ann, 10, 0)
        assert list(listed.items) == [SessionLine(id, "Biology", START, later, 1, True)]


async def told(store: Store, session: SessionId) -> list[MessageId]:
    """A question and replies in every state."""
    replies = [
        an_open_reply(session),
        a_message(session, "final", Speaker.ASSISTANT),
        a_message(session, "cut", Speaker.ASSISTANT, MessageState.INTERRUPTED),
        a_message(session, "half", Speaker.ASSISTANT, MessageState.FAILED),
        a_message(session, "", Speaker.ASSISTANT, MessageState.FAILED),
        a_message(session, None, Speaker.ASSISTANT, MessageState.INTERRUPTED),
    ]
    async with store.work() as w:
        ids = []
        for message in (a_message(session, "asked"), *replies):
            w.messages.add(message)
            await w.flush()
            ids.append(message.id)
        await w.commit()
    return ids


def contents(lines: Sequence[MessageLine] | None) -> list[tuple[str | None, bool]]:
    assert lines is not None
    return [(line.content, line.interrupted) for line in lines]


class TestMessages:
    async def test_are_shown_once_they_ended_with_some_text(self, store: Store) -> None:
        ann = await someone(store)
        session = await session_of(store, ann)
        await told(store, session)
        lines = await store.reading.messages(ann, session, 100, None)
        assert contents(lines) == [("asked", False), ("final", False), ("cut", True), ("half", True)]

    async def test_are_the_last_ones_oldest_first(self, store: Store) -> None:
        ann = await someone(store)
        session = await session_of(store, ann)
        ids = await told(store, session)
        assert contents(await store.reading.messages(ann, session, 2, None)) == [
            ("cut", True),
            ("half", True),
        ]
        before = await store.reading.messages(ann, session, 2, ids[3])
        assert contents(before) == [("asked", False), ("final", False)]
        assert contents(await store.reading.messages(ann, session, 2, ids[0])) == []

    async def test_of_a_foreign_or_unknown_session_are_none(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        session = await session_of(store, ann)
        assert await store.reading.messages(ben, session, 10, None) is None
        assert await store.reading.messages(ann, SessionId(999_999), 10, None) is None
        assert await store.reading.messages(ann, session, 10, None) == []

    async def test_carry_their_file_and_their_sources(self, store: Store) -> None:
        ann = await someone(store)
        session = await session_of(store, ann)
        file = await store.keep(a_file(ann, "cell.png", kind=FileKind.IMAGE))
        sources: list[dict[str, object]] = [{"n": 1, "filename": "a.pdf", "page": 3, "score": 0.25}]
        async with store.work() as w:
            upload = a_message(session, "Uploaded image: cell.png")
            upload.file_type, upload.file_path, upload.file_id = "image", "uploads/1/cell.png", file
            w.messages.add(upload)
            await w.flush()
            answer = a_message(session, "See [1]", Speaker.ASSISTANT)
            answer.sources = sources
            w.messages.add(answer)
            await w.commit()

        lines = await store.reading.messages(ann, session, 10, None)

        assert lines is not None
        picture, reply = lines
        assert (picture.role, picture.file_type, picture.file_id) == ("user", "image", file)
        assert (picture.file_path, picture.sources) == ("uploads/1/cell.png", None)
        assert (reply.role, reply.sources, reply.file_id) == ("assistant", sources, None)
        assert reply.created_at == START


class TestFiles:
    async def test_are_the_owners_newest_first_without_public_and_deleted_ones(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        await store.keep(a_file(ann, "a.txt"))
        await store.keep(a_file(ann, "b.txt"))
        await store.keep(a_file(ann, "gone.txt", deleted=True))
        await store.keep(a_file(ann, "public.txt", public=True))
        await store.keep(a_file(ben, "bens.txt"))

        listed = await store.reading.files(ann, 10, 0)

        assert ([line.filename for line in listed.items], listed.total) == (["b.txt", "a.txt"], 2)
        second = await store.reading.files(ann, 1, 1)
        assert ([line.filename for line in second.items], second.total) == (["a.txt"], 2)

    async def test_show_where_they_came_from(self, store: Store) -> None:
        ann = await someone(store)
        session = await session_of(store, ann)
        file = a_file(ann, "a.txt", stored_name="x_a.txt", rag_status=IndexState.PENDING, session=session)
        async with store.work() as w:
            message = a_message(session, "Uploaded document: a.txt")
            w.messages.add(message)
            await w.flush()
            file.message_id = message.id
            w.files.add(file)
            await w.commit()
        (line,) = (await store.reading.files(ann, 10, 0)).items
        assert (line.message_id, line.session_id, line.file_id) == (message.id, session, file.id)
        assert (line.file_path, line.file_type) == (f"uploads/{ann}/x_a.txt", "document")
        assert (line.content, line.size) == ("Uploaded document: a.txt", 12)
        assert (line.rag_status, line.created_at) == ("pending", START)

    async def test_of_no_message_have_no_content(self, store: Store) -> None:
        ann = await someone(store)
        await store.keep(a_file(ann))
        (line,) = (await store.reading.files(ann, 10, 0)).items
        assert (line.message_id, line.content, line.session_id, line.rag_status) == (None, None, None, None)

    async def test_are_handed_out_to_whom_they_are_open(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        own, public = a_file(ann, "文档.txt"), a_file(ann, public=True)
        for file in (own, public):
            await store.keep(file)
        gone = await store.keep(a_file(ann, deleted=True))
        read = store.reading.file
        record = FileRecord("文档.txt", own.disk_name, own.kind, own.mime, own.size, own.sha256)
        assert await read(own.id, ann, teaches=False) == record
        assert await read(own.id, ann, teaches=True) == record
        assert await read(public.id, ben, teaches=True) is not None
        for id, reader, teaches in (
            (own.id, ben, False),
            (own.id, ben, True),
            (public.id, ann, False),
            (gone, ann, True),
            (FileId(999_999), ann, True),
        ):
            assert await read(id, reader, teaches=teaches) is None, (id, reader, teaches)

    async def test_that_nobody_knows_any_more_have_no_index_state(self, store: Store) -> None:
        deleted = await store.keep(a_file(await someone(store), deleted=True))
        for id in (deleted, FileId(999_999)):
            assert await store.reading.index_state(id) == (None, None)


INDEXED = IndexState.INDEXED


class TestShelf:
    async def test_holds_the_indexed_documents_of_the_session_in_order(self, store: Store) -> None:
        ann = await someone(store)
        here, elsewhere = await session_of(store, ann), await session_of(store, ann)
        for name in ("b.txt", "a.txt"):
            await store.keep(a_file(ann, name, rag_status=INDEXED, session=here))
        await store.keep(a_file(ann, "pending.txt", rag_status=IndexState.PENDING, session=here))
        await store.keep(a_file(ann, "gone.txt", rag_status=INDEXED, session=here, deleted=True))
        await store.keep(a_file(ann, "other.txt", rag_status=INDEXED, session=elsewhere))
        assert await store.reading.shelf(ann, here) == Shelf(["b.txt", "a.txt"], any=True)

    @pytest.mark.parametrize(("whose", "within_reach"), [("own", True), ("public", True), ("foreign", False)])
    async def test_knows_whether_anything_is_within_reach(
        self, store: Store, whose: str, within_reach: bool
    ) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        session = await session_of(store, ann)
        assert await store.reading.shelf(ann, session) == Shelf([], any=False)
        owner = ann if whose == "own" else ben
        await store.keep(a_file(owner, rag_status=INDEXED, public=whose == "public"))
        assert await store.reading.shelf(ann, session) == Shelf([], any=within_reach)


class TestFilesOfAnIndex:
    async def test_are_known_where_the_reader_may_see_them(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        notes = await store.keep(a_file(ann, 'my "notes".md', index_name="my _notes_.md.txt"))
        mine = await store.keep(a_file(ann, "all.pdf", index_name="all.pdf"))
        public = await store.keep(a_file(ben, "All.pdf", index_name="all.pdf", public=True))
        await store.keep(a_file(ben, "bens.pdf", index_name="bens.pdf"))
        gone = await store.keep(a_file(ann, "gone.pdf", index_name="gone.pdf", deleted=True))
        asked = ["my _notes_.md.txt", "all.pdf", "bens.pdf", "gone.pdf", "nobody knows.pdf"]

        found = await store.reading.known_as(ann, asked)

        assert sorted(found, key=lambda one: one.id) == [
            KnownFile("my _notes_.md.txt", False, notes, 'my "notes".md', deleted=False),
            KnownFile("all.pdf", False, mine, "all.pdf", deleted=False),
            KnownFile("all.pdf", True, public, "All.pdf", deleted=False),
            KnownFile("gone.pdf", False, gone, "gone.pdf", deleted=True),
        ]
        assert await store.reading.known_as(ann, []) == []
