"""How it stands with files, asked of the fake, SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

from application.indexing.queueing import index_key, queue_indexing
from application.ports.persistence import FileProgress
from domain.document import FileId, FileKind, IndexState, StoredFile
from domain.job import Job, JobState
from domain.user import UserId
from tests.builders import a_file, a_user
from tests.contracts.stores import Store
from tests.fakes.clock import START

LEASE = timedelta(seconds=30)


async def someone(store: Store, name: str) -> UserId:
    async with store.work() as w:
        user = a_user(f"{name}@example.org")
        w.users.add(user)
        await w.commit()
    return user.id


async def brought(store: Store, owner: UserId, *, public: bool = False, deleted: bool = False) -> StoredFile:
    file = a_file(owner, rag_status=IndexState.PENDING, public=public, deleted=deleted)
    async with store.work() as w:
        w.files.add(file)
        await w.flush()
        await queue_indexing(w, file, START)
        await w.commit()
    return file


async def claimed(store: Store) -> Job:
    job = await store.queue.claim("w1", START, LEASE)
    assert job is not None
    return job


async def told(store: Store, id: FileId, reader: UserId) -> FileProgress | None:
    return await store.reading.file_progress(id, reader, teaches=False)


async def test_from_waiting_to_the_end(store: Store) -> None:
    ann = await someone(store, "ann")
    file = await brought(store, ann)
    waiting = FileProgress(file.id, "notes.txt", IndexState.PENDING, None, JobState.WAITING)
    assert await told(store, file.id, ann) == waiting

    job = await claimed(store)
    running = replace(waiting, job=JobState.RUNNING)
    assert await told(store, file.id, ann) == running

    async with store.work() as w:
        await w.jobs.progress(job, 40)
        await w.commit()
    assert await told(store, file.id, ann) == replace(running, progress=40)

    async with store.work() as w:
        await w.files.mark_indexed(file.id, IndexState.INDEXED)
        await w.jobs.finish(job)
        await w.commit()
    assert await told(store, file.id, ann) == FileProgress(file.id, "notes.txt", IndexState.INDEXED, None)


async def test_another_try_begins_anew(store: Store) -> None:
    ann = await someone(store, "ann")
    file = await brought(store, ann)
    job = await claimed(store)
    async with store.work() as w:
        await w.jobs.progress(job, 40)
        await w.files.mark_indexed(file.id, IndexState.FAILED, "RAG service error: timeout")
        await w.commit()
    await store.queue.fail(job.id, job.holder, "KnowledgeTimeout", START)
    failed = FileProgress(file.id, "notes.txt", IndexState.FAILED, "RAG service error: timeout")
    assert await told(store, file.id, ann) == replace(failed, job=JobState.WAITING)
    await claimed(store)
    assert await told(store, file.id, ann) == replace(failed, job=JobState.RUNNING)


async def test_a_cancelled_job_is_none(store: Store) -> None:
    ann = await someone(store, "ann")
    file = await brought(store, ann)
    async with store.work() as w:
        await w.jobs.cancel(index_key(file.id), START)
        await w.commit()
    assert await told(store, file.id, ann) == FileProgress(file.id, "notes.txt", IndexState.PENDING, None)


async def test_each_sees_his_own(store: Store) -> None:
    ann, ben = await someone(store, "ann"), await someone(store, "ben")
    first, gone = await brought(store, ann), await brought(store, ann, deleted=True)
    second, house = await brought(store, ann), await brought(store, ann, public=True)

    assert [file.id for file in await store.reading.files_progress(ann)] == [first.id, second.id, house.id]
    assert await store.reading.files_progress(ben) == []
    assert await told(store, first.id, ben) is None
    assert await told(store, gone.id, ann) is None
    assert await told(store, house.id, ben) is None
    assert await store.reading.file_progress(house.id, ben, teaches=True) is not None
    assert await told(store, FileId(999_999), ann) is None


async def test_what_is_no_document_is_just_there(store: Store) -> None:
    ann = await someone(store, "ann")
    picture = a_file(ann, kind=FileKind.IMAGE)
    async with store.work() as w:
        w.files.add(picture)
        await w.commit()
    found = await told(store, picture.id, ann)
    assert found is not None
    assert (found.rag_status, found.job) == (None, None)
