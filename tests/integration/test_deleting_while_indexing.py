"""Documents that are deleted while they are indexed: whoever is at it stops, and nothing of them is left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Valkey
from tests.integration.house import House, User
from tests.integration.http.following import Workers, at, two_workers
from tests.integration.stores import Stores
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer

CANARY = "quetzalcoatl"
SHORT = f"The wings of the {CANARY} were ten metres wide.\n\n".encode()
LONG = b"".join(b"Day %d. " % day + SHORT for day in range(9000))
WITHIN_S = 30.0  # it takes three; it took a minute where nobody told him who was at it
RACES, STEP_S = 12, 0.06


@pytest.fixture(scope="module")
async def workers(
    tmp_path_factory: pytest.TempPathFactory, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[Workers]:
    """Two with our own index, where uploads are not waited for."""
    folder = tmp_path_factory.mktemp("library")
    environ = {"LLM_URL": llm.url, "RAG_INDEX_WAIT_SECONDS": "0"}
    async with two_workers(folder, f"{valkey.url}?db=3", **environ) as both:
        yield both


async def bring(user: User, name: str, content: bytes) -> tuple[int, int]:
    """The file's number, and its session's."""
    answer = await user.post("/api/chat/upload", files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()["file_id"], answer.json()["session_id"]


async def delete(user: User, path: str) -> httpx.Response:
    answer = await user.house.client.delete(f"/api/{path}", headers=user.headers)
    assert answer.status_code == 200, answer.text
    return answer


async def is_being_indexed(house: House, file: int) -> bool:
    found = await house.sql(f"SELECT 1 FROM job WHERE dedup_key = 'index:{file}' AND state = 'running'")
    return bool(found)


async def nothing_is_left(house: House) -> bool:
    rows = await house.sql("SELECT id FROM stored_file UNION ALL SELECT id FROM passage")
    return not rows and not await Stores(house).traces(CANARY)


async def test_who_is_at_it_hears_so_and_all_of_it_goes_at_once(workers: Workers) -> None:
    ann = await workers[0].user("ann@example.org")
    file, _ = await bring(ann, "diary.txt", LONG)
    await until(lambda: is_being_indexed(ann.house, file), 10)

    answer = await delete(at(workers[1], ann), f"files/{file}")

    assert answer.json()["index_cleanup"] == "pending"
    await until(lambda: nothing_is_left(ann.house), WITHIN_S)
    states = await ann.house.sql(f"SELECT state, lease_until FROM job WHERE dedup_key = 'index:{file}'")
    assert states == [("cancelled", None)]


async def test_whenever_and_however_it_is_deleted_nothing_is_left(workers: Workers) -> None:
    ben = await workers[0].user("ben@example.org")
    here, there = ben, at(workers[1], ben)

    async def race(n: int) -> None:
        name = f"race {n}.txt"
        file, session = await bring(here, name, SHORT)
        await asyncio.sleep(n * STEP_S)  # before, while and after it is indexed
        if n % 2:
            assert (await here.post(f"/api/files/{file}/reindex")).status_code == 200
        ways = (f"files/{file}", f"upload/{name}", f"chat/{session}")
        await delete(there, ways[n % len(ways)])

    await asyncio.gather(*map(race, range(RACES)))

    await until(lambda: nothing_is_left(ben.house), WITHIN_S)
    assert [path for path in Path(ben.house.settings.upload_dir).rglob("*") if path.is_file()] == []
    unfinished = "SELECT id FROM job WHERE kind = 'index_document' AND state IN ('waiting', 'running')"
    assert await ben.house.sql(unfinished) == []
