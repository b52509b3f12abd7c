"""Which answers show passages of a file, asked of the fake, SQLite and PostgreSQL."""

import asyncio

import pytest

from application.chat.store_reply import citable, settled
from application.files.shown import withdrawn
from application.ports.persistence import Citing
from domain.conversation import MessageId, MessageState, SessionId, Source, Speaker
from domain.document import FileId, StoredFile
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, a_user, an_open_reply
from tests.contracts.stores import Store
from tests.fakes.clock import START
from tests.fakes.replies import FakeReplyLogs

ALL = MessageId(0)


async def someone(store: Store, name: str = "ann") -> UserId:
    async with store.work() as w:
        user = a_user(f"{name}@example.org")
        w.users.add(user)
        await w.commit()
    return user.id


async def session_of(store: Store, owner: UserId) -> SessionId:
    async with store.work() as w:
        session = await a_stored_session(w, owner)
        await w.commit()
    return session.id


async def filed(store: Store, owner: UserId, name: str = "notes.txt", *, public: bool = False) -> StoredFile:
    file = a_file(owner, name, public=public)
    await store.keep(file)
    return file


async def answer(store: Store, session: SessionId, *sources: Source) -> MessageId:
    async with store.work() as w:
        reply = a_message(session, "So it is.", Speaker.ASSISTANT)
        reply.sources = [source.told for source in sources]
        w.messages.add(reply)
        await w.commit()
    return reply.id


async def citing(store: Store, file: StoredFile) -> list[MessageId]:
    found: list[MessageId] = []
    while more := await store.reading.citing(file, found[-1] if found else ALL):
        found += [one.message for one in more]
    return found


async def sources(store: Store, id: MessageId) -> list[int] | None:
    async with store.work() as w:
        message = await w.messages.get(id)
    assert message is not None
    return None if message.sources is None else [int(str(one["n"])) for one in message.sources]


def of(file: FileId | None, name: str = "notes.txt", n: int = 1) -> Source:
    return Source(n, name, 1, 0.5, "“what” it says, \\ 日本", file)


class TestCiting:
    async def test_is_known_of_all_readers_of_a_public_document(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        file = await filed(store, ann, public=True)
        other = FileId(file.id * 10)  # begins with the same digits
        sessions = [await session_of(store, reader) for reader in (ann, ben)]
        cited = [await answer(store, session, of(other, n=1), of(file.id, n=2)) for session in sessions]
        await answer(store, sessions[0], of(other))
        await answer(store, sessions[1])
        found = await store.reading.citing(file, ALL)
        pairs = zip(cited, sessions, strict=True)
        assert list(found) == [Citing(message, session) for message, session in pairs]

    async def test_comes_in_portions(self, store: Store) -> None:
        ann = await someone(store)
        file, session = await filed(store, ann, public=True), await session_of(store, ann)
        cited = []
        for _ in range(4):
            await answer(store, session, of(FileId(file.id * 10)))
            cited.append(await answer(store, session, of(file.id)))
        assert await citing(store, file) == cited
        assert [one.message for one in await store.reading.citing(file, cited[1])][:1] == cited[2:3]
        assert await store.reading.citing(file, cited[-1]) == []

    async def test_of_a_personal_file_is_its_owners_alone(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        file = await filed(store, ann)
        hers = await answer(store, await session_of(store, ann), of(None))
        await answer(store, await session_of(store, ben), of(None))
        assert await citing(store, file) == [hers]

    async def test_without_a_number_goes_by_the_name(self, store: Store) -> None:
        ann = await someone(store)
        file, session = await filed(store, ann, "Übung 1.txt"), await session_of(store, ann)
        cited = await answer(store, session, of(None, "Übung 1.txt"))
        await answer(store, session, of(None, "Übung 2.txt"))
        assert await citing(store, file) == [cited]

    async def test_ends_when_it_is_withdrawn(self, store: Store) -> None:
        ann = await someone(store)
        file, session = await filed(store, ann), await session_of(store, ann)
        both = await answer(store, session, of(FileId(file.id + 1), n=1), of(file.id, n=2))
        alone, untouched = (
            await answer(store, session, of(file.id)),
            await answer(store, session, of(None, "b")),
        )
        async with store.work() as w:
            for id in (both, alone, untouched, MessageId(999_999)):
                await w.messages.withdraw(id, file)
            await w.commit()
        assert [await sources(store, id) for id in (both, alone, untouched)] == [[1], None, [1]]
        assert await citing(store, file) == []


class TestLiving:
    async def test_are_files_without_a_tombstone(self, store: Store) -> None:
        ann = await someone(store)
        alive = await store.keep(a_file(ann))
        dead = await store.keep(a_file(ann, deleted=True))
        async with store.work() as w:
            assert await w.files.living([alive, dead, FileId(999_999)]) == {alive}
            assert await w.files.living([]) == set()

    @pytest.mark.parametrize("round", range(5))
    async def test_what_is_deleted_while_a_reply_is_stored_is_in_none_of_its_sources(
        self, store: Store, round: int
    ) -> None:
        ann = await someone(store)
        file, session = await filed(store, ann, public=True), await session_of(store, ann)
        async with store.work() as w:
            reply = an_open_reply(session)
            w.messages.add(reply)
            await w.commit()

        async def store_reply() -> None:
            await asyncio.sleep(0.002 * round)
            async with store.work() as w:
                left = await citable(w, session, [of(file.id, n=1).told, of(None, "b.txt", 2).told])
                await settled(w, session, reply.id, MessageState.FINAL, "Yes.", left, START)
                await w.commit()

        async def delete_and_erase() -> None:
            async with store.work() as w:
                found = await w.files.get(file.id)
                assert found is not None
                found.deleted_at = START
                await w.commit()
            await withdrawn(store.work, store.reading, FakeReplyLogs(), file)

        await asyncio.gather(store_reply(), delete_and_erase())
        assert await sources(store, reply.id) == [2]
