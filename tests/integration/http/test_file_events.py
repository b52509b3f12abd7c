"""How documents become findable, and watching it: from any worker, with a token or a ticket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from dishka import Provider, Scope
from typing_extensions import override

from application.indexing.watch_files import DOUBT_S
from application.ports.knowledge import IndexReport, Knowledge
from application.ports.progress import Progress, untold
from domain.document import FileId, StoredFile
from entrypoints.http.event_stream import StreamTimes
from tests.conftest import Valkey
from tests.fakes.knowledge import FakeKnowledge
from tests.images import a_picture
from tests.integration.house import User
from tests.integration.http.answers import refusal
from tests.integration.http.following import Workers, at, two_workers
from tests.integration.http.watching import watching
from tests.servers.llm_service import LlmServiceServer


class Library(FakeKnowledge):
    """Reads documents whose names begin with `slow` only as far as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work: list[FileId] = []
        self.read: list[str] = []
        self._percent: dict[FileId, int] = {}
        self._moved = asyncio.Condition()

    @override
    async def index(self, file: StoredFile, told: Progress = untold) -> IndexReport:
        self.at_work.append(file.id)
        percent = 100 if not file.original_name.startswith("slow") else self._percent.get(file.id, 0)
        try:
            while percent < 100:
                async with self._moved:
                    await self._moved.wait()
                    percent = self._percent.get(file.id, 0)
                told(percent, 100)
        finally:
            self.at_work.remove(file.id)
        self.read.append(file.original_name)
        return IndexReport(chunk_embs_num=1)

    async def go_to(self, file: int, percent: int) -> None:
        async with self._moved:
            self._percent[FileId(file)] = percent
            self._moved.notify_all()

    async def until_at_work(self, *files: int) -> None:
        async with asyncio.timeout(10):
            while not set(files) <= set(self.at_work):  # noqa: ASYNC110 (what is waited for has no event)
                await asyncio.sleep(0.01)

    async def until_left(self, file: int) -> None:
        async with asyncio.timeout(10):
            while file in self.at_work:  # noqa: ASYNC110 (what is waited for has no event)
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
async def workers(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, llm: LlmServiceServer, library: Library
) -> AsyncIterator[Workers]:
    """Two who share a library, in which uploads are not waited for and logins are looked at often."""
    ours = Provider(scope=Scope.APP)
    ours.provide(lambda: library, provides=Knowledge, override=True)
    ours.provide(lambda: StreamTimes(2.0, 0.1), provides=StreamTimes, override=True)
    quick = {"RAG_INDEX_WAIT_SECONDS": "0", "STREAM_HEARTBEAT_SECONDS": "1"}
    folder = tmp_path_factory.mktemp("library")
    async with two_workers(folder, f"{valkey.url}?db=3", ours, LLM_URL=llm.url, **quick) as both:
        yield both


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    return (f"user{n}@example.org" for n in range(99))


@pytest.fixture
async def ann(workers: Workers, names: Iterator[str]) -> User:
    return await workers[0].user(next(names))


@pytest.fixture
async def ben(workers: Workers, names: Iterator[str]) -> User:
    return await workers[1].user(next(names))


async def bring(user: User, name: str, content: bytes = b"Mitochondria.") -> int:
    answer = await user.post("/api/chat/upload", files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["file_id"])


async def status_of(user: User, file: int) -> dict[str, Any]:
    answer = await user.get(f"/api/files/{file}/status")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def until_status(user: User, file: int, status: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (told := await status_of(user, file))["status"] != status:  # noqa: ASYNC110 (is asked for)
            await asyncio.sleep(0.02)
    return told


async def test_every_step_is_told_at_any_worker(workers: Workers, ann: User, library: Library) -> None:
    async with watching(at(workers[1], ann)) as watch, watching(ann) as here:
        file = await bring(ann, "slow notes.txt")
        begun = await watch.until("indexing", file)
        assert begun == {
            "status": "indexing",
            "file_id": file,
            "filename": "slow notes.txt",
            "progress": None,
            "error": None,
        }
        await library.until_at_work(file)
        await library.go_to(file, 40)
        assert (await watch.next())["progress"] == 40
        assert await status_of(ann, file) == {
            "file_id": file,
            "filename": "slow notes.txt",
            "status": "indexing",
            "progress": 40,
            "rag_status": "pending",
            "error": None,
        }
        await library.go_to(file, 100)
        assert (await watch.next())["status"] == "indexed"
        assert (await status_of(ann, file))["rag_status"] == "indexed"
        await here.until("indexed", file)


async def test_who_comes_later_is_told_how_it_stands(ann: User) -> None:
    file = await bring(ann, "notes.txt")
    await until_status(ann, file, "indexed")
    async with watching(ann) as watch:
        assert (await watch.next())["status"] == "indexed"
        answer = await ann.house.client.delete(f"/api/files/{file}", headers=ann.headers)
        assert answer.status_code == 200
        assert await watch.next() == {"status": "deleted", "file_id": file}


async def test_a_silent_stream_gives_a_sign_of_life(ann: User) -> None:
    async with watching(ann) as watch, asyncio.timeout(10):
        assert await anext(watch.response.aiter_raw()) == b": ping\n\n"


async def test_nobody_watches_the_files_of_others(ann: User, ben: User) -> None:
    async with watching(ben) as his:
        await until_status(ann, await bring(ann, "notes.txt"), "indexed")
        mine = await bring(ben, "mine.txt")
        assert (await his.next())["file_id"] == mine


async def test_a_ticket_stands_for_the_token(ann: User, ben: User) -> None:
    answer = await ann.post("/api/files/events/ticket")
    assert answer.status_code == 200
    assert answer.json()["expires_in_seconds"] == 600
    file = await bring(ann, "notes.txt")
    async with watching(ben, ticket=answer.json()["ticket"]) as watch:  # the ticket counts, not the sender
        assert (await watch.next())["file_id"] == file


async def test_a_ticket_for_something_else_opens_nothing(ann: User) -> None:
    told = await ann.ask("Hello?")
    message = told.events[-1]["message_id"]
    other = (await ann.post(f"/api/chat/stream/{message}/ticket")).json()["ticket"]
    ours = (await ann.post("/api/files/events/ticket")).json()["ticket"]
    client = ann.house.client
    for path, ticket in (
        ("/api/files/events", other),
        ("/api/files/events", "nonsense"),
        (f"/api/chat/stream/{message}", ours),
        ("/api/user_files", ours),
    ):
        assert (await client.get(path, params={"ticket": ticket})).status_code == 401


async def test_it_ends_with_the_login(ann: User) -> None:
    async with watching(ann) as watch:
        await ann.post("/api/logout")
        await watch.to_the_end()


async def test_cancelled_and_ordered_anew(ann: User, library: Library) -> None:
    file = await bring(ann, "slow essay.txt")
    await library.until_at_work(file)
    async with watching(ann) as watch:
        cancelled = await ann.post(f"/api/files/{file}/cancel")
        assert cancelled.json() == {"msg": "Indexing cancelled", "cancelled": True}
        failed = await watch.until("failed", file)
        assert failed["error"] == "RAG indexing failed: cancelled"
        await library.until_left(file)
        again = await ann.post(f"/api/files/{file}/cancel")
        assert again.json() == {"msg": "Nothing to cancel", "cancelled": False}

        queued = await ann.post(f"/api/files/{file}/reindex")
        assert queued.json() == {"msg": "Indexing queued"}
        await library.go_to(file, 100)
        assert (await watch.until("indexed", file))["error"] is None
    answer = await ann.get("/api/user/notifications")
    (told,) = [n for n in answer.json()["notifications"] if "slow essay.txt" in n["message"]]
    assert told["title"] == "Document ready"


async def test_a_picture_is_just_there(workers: Workers, ann: User) -> None:
    async with watching(at(workers[1], ann)) as watch, asyncio.timeout(DOUBT_S / 2):
        file = await bring(ann, "cell.png", a_picture())
        assert (await watch.next())["status"] == "stored"  # told, not found out
    assert (await status_of(ann, file))["status"] == "stored"
    refused = await ann.post(f"/api/files/{file}/reindex")
    assert refusal(refused) == (400, "Only documents are indexed", "bad_request")


@pytest.mark.parametrize(("method", "what"), [("GET", "status"), ("POST", "reindex"), ("POST", "cancel")])
async def test_files_of_others_do_not_exist(ann: User, ben: User, method: str, what: str) -> None:
    file = await bring(ann, "notes.txt")
    for id in (file, 999_999, 0, "x"):
        answer = await ben.house.client.request(method, f"/api/files/{id}/{what}", headers=ben.headers)
        assert refusal(answer)[:2] == (404, "File not found")


async def test_long_documents_of_one_do_not_delay_those_of_others(
    ann: User, ben: User, library: Library
) -> None:
    """However many they are: some hands are always free for others."""
    files = [await bring(ann, f"slow {n}.txt") for n in range(9)]
    await library.until_at_work(files[0], files[1])
    await until_status(ben, await bring(ben, "short.txt"), "indexed")
    assert len(library.at_work) == 2  # of hers, at both workers together
    for file in files:
        await library.go_to(file, 100)
    for file in files:
        await until_status(ann, file, "indexed")
    for file in files:
        assert library.read.count(f"slow {files.index(file)}.txt") == 1


async def test_orders_that_cross_leave_nothing_half_done(
    workers: Workers, ann: User, library: Library
) -> None:
    file = await bring(ann, "slow race.txt")
    await library.go_to(file, 100)
    here, there = ann, at(workers[1], ann)
    orders = [
        who.post(f"/api/files/{file}/{what}") for what in ("reindex", "cancel") * 8 for who in (here, there)
    ]
    assert {answer.status_code for answer in await asyncio.gather(*orders)} == {200}
    assert (await here.post(f"/api/files/{file}/reindex")).status_code == 200
    await until_status(there, file, "indexed")

    again = [here.post(f"/api/files/{file}/reindex") for _ in range(4)]
    gone = there.house.client.delete(f"/api/files/{file}", headers=there.headers)
    *_, deleted = await asyncio.gather(*again, gone)
    assert deleted.status_code == 200
    assert (await here.get(f"/api/files/{file}/status")).status_code == 404
    unfinished = "SELECT id FROM job WHERE state IN ('waiting', 'running') AND dedup_key = 'index:{}'"
    assert await here.house.sql(unfinished.format(file)) == []
