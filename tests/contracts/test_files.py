"""What the database promises about files, asked of the fake, SQLite and PostgreSQL."""

import asyncio
from itertools import count

import pytest

from domain.document import FileId, IndexState, NameTaken, Usage, numbered
from domain.user import User
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.contracts.stores import Store
from tests.fakes.clock import START


async def stored_user(store: Store, email: str = "ann@example.org") -> User:
    async with store.work() as w:
        user = a_user(email)
        w.users.add(user)
        await w.commit()
    return user


async def test_what_an_index_made_of_it_is_kept(store: Store) -> None:
    ann = await stored_user(store)
    id = await store.keep(a_file(ann.id, rag_status=IndexState.PENDING))
    report: dict[str, object] = {"chunk_embs_num": 3, "page_collection": None}
    async with store.work() as w:
        await w.files.mark_indexed(id, IndexState.INDEXED, report=report)
        await w.commit()
    async with store.work() as w:
        found = await w.files.get(id)
    assert found is not None
    assert found.index_report == report


async def test_a_deleted_one_is_held_by_nobody(store: Store) -> None:
    ann = await stored_user(store)
    kept, gone = await store.keep(a_file(ann.id)), await store.keep(a_file(ann.id, deleted=True))
    async with store.work() as w:
        held = await w.files.hold(kept)
        assert held is not None
        assert held.id == kept
        assert await w.files.hold(gone) is None
        assert await w.files.hold(FileId(999_999)) is None


async def test_one_of_two_deletes_it(store: Store) -> None:
    ann = await stored_user(store)
    id = await store.keep(a_file(ann.id))

    async def delete() -> bool:
        async with store.work() as w:
            file = await w.files.hold(id)
            if file is None:
                return False
            file.deleted_at = START
            await w.commit()
            return True

    assert sorted(await asyncio.gather(*(delete() for _ in range(4)))) == [False, False, False, True]


async def test_names_are_looked_up_in_their_order(store: Store) -> None:
    ann, ben = await stored_user(store), await stored_user(store, "ben@example.org")
    by_index = await store.keep(a_file(ann.id, "1.txt", index_name="x.txt"))
    older = await store.keep(a_file(ann.id, "x.txt"))
    newer = await store.keep(a_file(ann.id, "x.txt"))
    by_stored = await store.keep(a_file(ann.id, "2.txt", stored_name="x.txt"))
    await store.keep(a_file(ben.id, "x.txt"))
    public = await store.keep(a_file(ben.id, "x.txt", public=True))
    await store.keep(a_file(ann.id, "gone.txt", deleted=True))
    for expected in (by_stored, newer, older, by_index, None):
        async with store.work() as w:
            found = await w.files.by_name("x.txt", ann.id)
            assert (found.id if found else None) == expected
            if found:
                found.deleted_at = START
            await w.commit()
    async with store.work() as w:
        found = await w.files.by_name("x.txt", None)
        assert found is not None
        assert found.id == public
        for name in ("gone.txt", "X.txt", "%.txt", "x.tx_", ""):
            assert await w.files.by_name(name, ann.id) is None, name


async def test_names_are_found_by_how_they_begin(store: Store) -> None:
    ann = await stored_user(store)
    names = ("C# 1.txt", "C# 2.txt", "C# 3.txt", "100%_.txt", "c# 4.txt")
    ids = [await store.keep(a_file(ann.id, name)) for name in names]
    await store.keep(a_file(ann.id, "C# 5.txt", deleted=True))
    await store.keep(a_file(ann.id, "C# 6.txt", public=True))
    async with store.work() as w:
        assert [file.id for file in await w.files.beginning_with("C#", ann.id)] == [ids[2], ids[1]]
        assert [file.id for file in await w.files.beginning_with("100%", ann.id)] == [ids[3]]
        assert list(await w.files.beginning_with("1%", ann.id)) == []
        assert [file.original_name for file in await w.files.beginning_with("C#", None)] == ["C# 6.txt"]


async def test_what_somebody_keeps_is_counted(store: Store) -> None:
    ann, ben = await stored_user(store), await stored_user(store, "ben@example.org")
    async with store.work() as w:
        assert await w.files.usage(ann.id) == Usage(0, 0)
    for public, deleted in ((False, False), (True, False), (False, True)):
        await store.keep(a_file(ann.id, public=public, deleted=deleted))
    await store.keep(a_file(ben.id))
    async with store.work() as w:
        assert await w.files.usage(ann.id) == await store.reading.usage(ann.id) == Usage(2, 24)


async def test_two_never_take_the_same_room(store: Store) -> None:
    ann = await stored_user(store)

    async def take() -> None:
        async with store.work() as w:
            if (await w.files.usage(ann.id)).files < 3:
                w.files.add(a_file(ann.id))
            await w.commit()

    await asyncio.gather(*(take() for _ in range(10)))
    async with store.work() as w:
        assert (await w.files.usage(ann.id)).files == 3


async def test_public_documents_share_no_index_name(store: Store) -> None:
    ann, ben = await stored_user(store), await stored_user(store, "ben@example.org")
    await store.keep(a_file(ann.id, index_name="a.pdf", public=True))
    await store.keep(a_file(ben.id, index_name="a.pdf"))
    async with store.work() as w:
        assert await w.files.index_names_like(ben.id, "a.pdf", public=True) == {"a.pdf"}
        assert await w.files.index_names_like(ben.id, "b.pdf", public=True) == set()
    cleo = await stored_user(store, "cleo@example.org")
    async with store.work() as w:
        assert await w.files.index_names_like(cleo.id, "a.pdf") == set()
        assert await w.files.index_names_like(cleo.id, "a.pdf", public=True) == {"a.pdf"}
    with pytest.raises(NameTaken):
        await store.keep(a_file(cleo.id, index_name="a.pdf", public=True))


async def test_two_tutors_never_choose_the_same_index_name(store: Store) -> None:
    owners = [await stored_user(store, f"{n}@example.org") for n in range(4)]

    async def choose(owner: User) -> None:
        async with store.work() as w:
            taken = await w.files.index_names_like(owner.id, "a.pdf", public=True)
            name = next(free for n in count(1) if (free := numbered("a.pdf", n)) not in taken)
            w.files.add(a_file(owner.id, index_name=name, public=True))
            await w.commit()

    await asyncio.gather(*(choose(owner) for owner in owners * 2))
    async with store.work() as w:
        assert len(await w.files.index_names_like(owners[0].id, "a.pdf", public=True)) == 8


async def test_the_message_that_brought_it_can_do_without_it(store: Store) -> None:
    ann = await stored_user(store)
    file = a_file(ann.id)
    async with store.work() as w:
        session = await a_stored_session(w, ann.id)
        w.files.add(file)
        await w.flush()
        for n, content in ((file.id, "Uploaded document: notes.txt"), (None, "What is osmosis?")):
            message = a_message(session.id, content)
            if n is not None:
                message.file_id, message.file_type, message.file_path = n, "document", file.path
            w.messages.add(message)
        await w.commit()
    async with store.work() as w:
        await w.messages.detach(file.id)
        await w.commit()
    lines = await store.reading.messages(ann.id, session.id, 10, None)
    assert lines is not None
    assert [(line.file_id, line.file_type, line.file_path) for line in lines] == [(None, None, None)] * 2
    told = await store.reading.turns(session.id, None, 10)
    assert [turn.text for turn in told.turns] == ["What is osmosis?"]
    async with store.work() as w:
        exchange = await w.messages.last_exchange(session.id)
    assert exchange is not None
    assert exchange[0].content == "What is osmosis?"
