"""A hundred uploads at once; of those who index them one sleeps and one dies: each is indexed, none twice."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests.integration.house import House, User
from tests.integration.served import NO_AVATARS, served
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer

STUDENTS, EACH = 4, 25
BEFORE = 15  # documents that are indexed by then
PAUSE_S = 0.5
PATIENCE_S = 200.0


def secret(n: int) -> str:
    """A word that is in one document only."""
    return "".join("bcdfghjklm"[int(digit)] + "aeiou"[int(digit) % 5] for digit in f"{n:03}") + "tron"


async def upload(student: User, session: int, n: int) -> None:
    """Once more where the line is cut or the database too busy: when it says so, or as a person would."""
    content = f"Notes of lesson {n}.\n\nThe word of the day is {secret(n)}. It is used in no other lesson.\n"
    form, file = {"session_id": str(session)}, (f"lesson-{n:03}.txt", content.encode())
    while True:
        pause = PAUSE_S
        with suppress(httpx.TransportError):
            answer = await student.post("/api/chat/upload", data=form, files={"file": file})
            if answer.status_code != 503:
                break
            pause = float(answer.headers.get("retry-after", PAUSE_S))
        await asyncio.sleep(pause)
    assert answer.status_code == 200, answer.text


async def some_are_indexed(house: House) -> bool:
    ((count,),) = await house.sql("SELECT COUNT(*) FROM stored_file WHERE rag_status = 'indexed'")
    return bool(count >= BEFORE)


async def at_work(house: House) -> list[str]:
    """The workers that are indexing something."""
    claims = await house.sql(
        "SELECT lease_owner FROM job WHERE kind = 'index_document' AND state = 'running'"
    )
    return [holder.partition("/")[0] for (holder,) in claims]


@asynccontextmanager
async def one_frozen_at_work(house: House) -> AsyncIterator[tuple[str, int]]:
    """A worker that stands still in the middle of a document while the context lasts, and its process."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for worker in await at_work(house):
                pid = int(worker.rsplit("-", 2)[1])
                os.kill(pid, signal.SIGSTOP)
                try:
                    if worker in await at_work(house):
                        yield worker, pid
                        return
                finally:
                    with suppress(ProcessLookupError):  # it was killed
                        os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.01)


async def let_leases_lapse(house: House, worker: str) -> None:
    lapsed = "UPDATE job SET lease_until = '2000-01-01 00:00:00.000000'"
    await house.sql(f"{lapsed} WHERE state = 'running' AND lease_owner LIKE '{worker}/%'")


async def let_one_sleep_through_its_leases(house: House) -> None:
    """It wakes up when others have done its work, and goes on with what it was doing."""
    while True:
        with suppress(sqlite3.OperationalError):  # it was just writing: nobody else can
            async with one_frozen_at_work(house) as (worker, _):
                await let_leases_lapse(house, worker)
                while worker in await at_work(house):  # noqa: ASYNC110 (what is waited for has no event)
                    await asyncio.sleep(0.05)
                return


async def kill_one_at_work(house: House) -> None:
    """Kill -9 in the middle of a document."""
    async with one_frozen_at_work(house) as (worker, pid):
        os.kill(pid, signal.SIGKILL)
        await let_leases_lapse(house, worker)


async def test_whoever_sleeps_or_dies_in_the_middle_of_a_hundred_uploads_each_is_indexed_once(
    tmp_path: Path, llm: LlmServiceServer
) -> None:
    environ = {"LLM_URL": llm.url, "WORKERS": "2", "RAG_INDEX_WAIT_SECONDS": "0", **NO_AVATARS}
    async with served(tmp_path, **environ) as one:
        house = one.house
        students = [await house.user(f"student{n}@example.org") for n in range(STUDENTS)]
        sessions = [await student.new_session() for student in students]
        uploading = [
            asyncio.create_task(upload(students[n % STUDENTS], sessions[n % STUDENTS], n))
            for n in range(STUDENTS * EACH)
        ]

        await until(lambda: some_are_indexed(house), PATIENCE_S)
        await let_one_sleep_through_its_leases(house)
        await kill_one_at_work(house)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*uploading)
        await until(lambda: nothing_is_left_to_do(house), PATIENCE_S)

        await assert_each_is_there_once(house)


async def nothing_is_left_to_do(house: House) -> bool:
    unfinished = await house.sql(
        "SELECT id FROM job WHERE kind = 'index_document' AND state IN ('waiting', 'running')"
    )
    return not unfinished


async def assert_each_is_there_once(house: House) -> None:
    files = await house.sql("SELECT id, rag_status, rag_error FROM stored_file")
    assert [row for row in files if row[1:] != ("indexed", None)] == []
    assert len(files) >= STUDENTS * EACH  # more, where an answer was lost with the worker

    ((again,),) = await house.sql("SELECT COUNT(*) FROM job WHERE kind = 'index_document' AND attempts > 1")
    assert again >= 1  # somebody else took over what was broken off

    passages = await house.sql("SELECT file_id, COUNT(*) FROM passage GROUP BY file_id")
    assert sorted(passages) == [(id, 1) for id, *_ in sorted(files)]

    texts = await house.sql("SELECT text FROM passage")
    assert all(any(secret(n) in text for (text,) in texts) for n in range(STUDENTS * EACH))

    ((found,),) = await house.sql("SELECT COUNT(*) FROM passage_fts WHERE passage_fts MATCH 'lesson'")
    assert found == len(files)

    ((told,),) = await house.sql("SELECT COUNT(*) FROM notification WHERE title = 'Document ready'")
    assert told == len(files)
