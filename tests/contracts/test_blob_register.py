"""Which blobs the rows name, asked of the fake and of both databases."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from adapters.sql.blob_register import PORTION, SqlBlobRegister
from adapters.sql.engine import reading
from application.ports.blob_register import BlobRegister, RegisteredBlob
from domain.document import FileId
from domain.export import Export
from domain.user import UserId
from tests.builders import a_file, a_user
from tests.contracts.stores import FakeStore, SqlStore, Store
from tests.fakes.blob_register import FakeBlobRegister
from tests.fakes.clock import START


def register_of(store: Store) -> BlobRegister:
    if isinstance(store, FakeStore):
        return FakeBlobRegister(store.database)
    assert isinstance(store, SqlStore)
    return SqlBlobRegister(reading(store.engine))


async def everything(store: Store) -> Sequence[RegisteredBlob]:
    return [blob async for blob in register_of(store).everything()]


async def registered(store: Store) -> UserId:
    async with store.work() as w:
        user = a_user("ann@example.org")
        w.users.add(user)
        await w.commit()
    return user.id


async def keep(store: Store, *, deleted: bool = False) -> tuple[str, FileId]:
    file = a_file(None, public=True, deleted=deleted)
    file.disk_name = uuid4().hex
    return file.disk_name, await store.keep(file)


async def export(store: Store, owner: UserId) -> str:
    async with store.work() as w:
        made = Export(user_id=owner, disk_name=uuid4().hex, created_at=START + timedelta(hours=1))
        w.exports.add(made)
        await w.commit()
    return made.disk_name


async def test_files_and_exports_are_told_in_order_of_their_blobs(store: Store) -> None:
    ann = await registered(store)
    expected = [RegisteredBlob(name, START, id) for name, id in [await keep(store) for _ in range(5)]]
    expected += [RegisteredBlob((await keep(store, deleted=True))[0], START, None) for _ in range(3)]
    made = [await export(store, ann) for _ in range(3)]
    expected += [RegisteredBlob(name, START + timedelta(hours=1), None) for name in made]

    assert await everything(store) == sorted(expected, key=lambda blob: blob.name)


async def test_an_empty_house_names_nothing(store: Store) -> None:
    assert await everything(store) == []
    assert await register_of(store).known([uuid4().hex]) == set()


async def test_known_names_are_recognised(store: Store) -> None:
    ann = await registered(store)
    living, _ = await keep(store)
    deleted, _ = await keep(store, deleted=True)
    archive = await export(store, ann)
    unknown = uuid4().hex

    assert await register_of(store).known([living, deleted, archive, unknown]) == {living, deleted, archive}


async def test_more_than_a_portion_comes_whole(store: Store) -> None:
    names = []
    async with store.work() as w:
        for _ in range(PORTION + 1):
            file = a_file(None, public=True)
            file.disk_name = uuid4().hex
            names.append(file.disk_name)
            w.files.add(file)
        await w.commit()

    assert [blob.name for blob in await everything(store)] == sorted(names)
