import pytest

from application.ports.blobs import BlobUnreadable
from domain.document import FileId, FileNotFound
from tests.builders import a_file
from tests.fakes.blobs import PIECE
from tests.unit.files.desk import ANN, BEN, TEXT, TIM, Desk, account


async def test_its_owner_gets_it_back(desk: Desk) -> None:
    file = (await desk.upload("文档.txt")).file
    record = await desk.fetch_file(account(ANN), file.id)
    assert (record.name, record.mime, record.size, record.sha256) == (
        "文档.txt",
        "text/plain",
        len(TEXT),
        file.sha256,
    )
    content = await desk.fetch_file.content(record, 0, record.size)
    assert b"".join([piece async for piece in content]) == TEXT
    part = await desk.fetch_file.content(record, 3, 5)
    assert b"".join([piece async for piece in part]) == TEXT[3:8]


async def test_nobody_else_does(desk: Desk) -> None:
    file = (await desk.upload()).file
    for user in (BEN, TIM):
        with pytest.raises(FileNotFound):
            await desk.fetch_file(account(user), file.id)
    with pytest.raises(FileNotFound):
        await desk.fetch_file(account(ANN), FileId(999))
    await desk.delete_file(account(ANN), file.id)
    with pytest.raises(FileNotFound):
        await desk.fetch_file(account(ANN), file.id)


async def test_public_ones_are_for_those_who_teach(desk: Desk) -> None:
    async with desk.work() as w:
        file = a_file(ANN, public=True)  # she taught once
        w.files.add(file)
        await w.commit()
    with pytest.raises(FileNotFound):
        await desk.fetch_file(account(ANN), file.id)
    assert (await desk.fetch_file(account(TIM), file.id)).name == "notes.txt"


async def test_bytes_that_are_gone_are_missed_before_the_answer_begins(desk: Desk) -> None:
    record = await desk.fetch_file(account(ANN), (await desk.upload()).file.id)
    desk.blobs.kept.clear()
    with pytest.raises(FileNotFound):
        await desk.fetch_file.content(record, 0, record.size)


async def test_a_store_that_is_away_is_told_before_the_answer_begins(desk: Desk) -> None:
    record = await desk.fetch_file(account(ANN), (await desk.upload()).file.id)
    desk.blobs.away = True
    with pytest.raises(BlobUnreadable, match="File cannot be read right now"):
        await desk.fetch_file.content(record, 0, record.size)


async def test_large_ones_come_in_pieces_and_can_be_let_go(desk: Desk) -> None:
    record = await desk.fetch_file(account(ANN), (await desk.upload(content=b"x" * 3 * PIECE)).file.id)
    content = await desk.fetch_file.content(record, 0, record.size)
    assert len(await anext(content)) == PIECE
    await content.aclose()
    assert desk.database.open == 0
