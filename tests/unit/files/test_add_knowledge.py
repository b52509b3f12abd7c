import asyncio
from pathlib import Path

import pytest

from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.document import (
    MB,
    BadFile,
    FileTooLarge,
    FileTypeNotAllowed,
    IndexState,
    NameTaken,
    Quota,
    QuotaExceeded,
)
from domain.errors import DomainError, MissingField
from tests.builders import a_file
from tests.unit.files.desk import ANN, BEN, TIM, Desk, account


async def outcome(desk: Desk, state: IndexState, error: str | None = None) -> None:
    """What a job would note once there is something to note it about."""
    while not desk.tables.files:  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)
    async with desk.work() as w:
        for id in desk.tables.files:
            await w.files.mark_indexed(id, state, error, {"chunk_embs_num": 3} if error is None else None)
        await w.commit()


async def test_a_students_is_his_own(desk: Desk) -> None:
    file = await desk.add()
    assert (file.user_id, file.public, file.session_id, file.message_id) == (ANN, False, None, None)
    assert desk.tables.messages == {}
    assert [job.payload for job in desk.tables.jobs.values()] == [{"file_id": file.id}]
    assert desk.wakeup.rings == 1


async def test_a_tutors_is_public(desk: Desk) -> None:
    file = await desk.add(user=TIM)
    assert (file.user_id, file.public) == (TIM, True)


async def test_all_public_ones_have_index_names_of_their_own(desk: Desk) -> None:
    async with desk.work() as w:
        w.files.add(a_file(BEN, index_name="notes.txt", public=True))  # Ben taught once
        await w.commit()
    files = [await desk.add(user=user) for user in (TIM, TIM, ANN)]
    assert [file.index_name for file in files] == ["notes-2.txt", "notes-3.txt", "notes.txt"]


async def test_it_tells_what_became_of_it(tmp_path: Path) -> None:
    desk = await Desk(tmp_path, index_wait_s=5).opened()
    adding = asyncio.create_task(desk.add())
    await outcome(desk, IndexState.INDEXED)
    file = await adding
    assert (file.rag_status, file.index_report) == (IndexState.INDEXED, {"chunk_embs_num": 3})


async def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    desk = await Desk(tmp_path, index_wait_s=0.15).opened()
    assert (await desk.add()).rag_status is IndexState.PENDING


@pytest.mark.parametrize(
    ("error", "refusal", "msg"),
    [
        ("RAG service error: unreachable", KnowledgeUnreachable, "Upload forward failed"),
        ("RAG service error: timeout", KnowledgeTimeout, "Upload forward failed"),
        ("RAG service error: bad response", KnowledgeFailed, "Upload forward failed"),
        ("RAG indexing failed: 500", KnowledgeFailed, "Upload forward failed"),
        ("Document cannot be read", BadFile, "Document cannot be read"),
    ],
)
async def test_what_cannot_be_indexed_is_not_kept(
    tmp_path: Path, error: str, refusal: type[DomainError], msg: str
) -> None:
    desk = await Desk(tmp_path, index_wait_s=5).opened()
    adding = asyncio.create_task(desk.add(user=TIM))
    await outcome(desk, IndexState.FAILED, error)
    with pytest.raises(refusal, match=f"^{msg}$"):
        await adding
    assert (desk.tables.files, desk.blobs.kept) == ({}, {})


async def test_what_is_deleted_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    desk = await Desk(tmp_path, index_wait_s=60).opened()
    adding = asyncio.create_task(desk.add())
    while not desk.tables.files:  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)
    desk.knowledge.refuse_with = KnowledgeUnreachable()  # its tombstone stays
    await desk.delete_upload(account(ANN), ["notes.txt"], None)
    async with asyncio.timeout(10):
        assert (await adding).rag_status is IndexState.PENDING


async def test_only_documents_are_welcome(desk: Desk) -> None:
    msg = r"File type '.png' not allowed. Allowed types: documents \(docx, md, pdf, txt\)$"
    with pytest.raises(FileTypeNotAllowed, match=msg):
        await desk.add("cell.png")
    with pytest.raises(FileTypeNotAllowed, match=msg):
        desk.add_knowledge.welcome("cell.png")
    with pytest.raises(FileTooLarge, match="Maximum size for document files is 1 MB"):
        desk.add_knowledge.welcome("cell.md")(MB + 1)
    with pytest.raises(MissingField, match="No file provided"):
        await desk.add_knowledge(account(ANN), None)
    assert desk.tables.files == {}


async def test_they_count_for_the_quota(tmp_path: Path) -> None:
    desk = await Desk(tmp_path, quota=Quota(files=1, mb=1)).opened()
    await desk.add()
    with pytest.raises(QuotaExceeded):
        await desk.upload()
    await desk.add(user=BEN)


async def test_tutors_who_choose_the_same_name_in_the_same_moment(desk: Desk) -> None:
    await desk.add(user=TIM)
    desk.database.blind = 2
    assert (await desk.add(user=TIM)).index_name == "notes-2.txt"
    desk.database.blind = 1000
    with pytest.raises(NameTaken):
        await desk.add(user=TIM)
