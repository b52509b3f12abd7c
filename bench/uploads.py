"""Does anybody who chats feel it when a hundred documents are uploaded at once, and how long does it take?

One server of its own. Five people read replies whose pieces bear the time they were sent: how late does each
come, and how soon does the first? First with nobody else there, then while ten others upload ten documents
each, all at the same moment, until the last is indexed. The documents are those of `bench/retrieval`; the
model and those who upload are processes of their own.

    .venv/bin/python -m bench.uploads [--workers 1]
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx

from bench.bad_models import p, person
from bench.retrieval.sources import sources
from tests.free_port import free_port
from tests.integration.house import User
from tests.integration.served import NO_AVATARS, served

READERS, ROUNDS = 5, 4
UPLOADERS, EACH = 10, 10
INDEXED_S, AGAIN_S = 600.0, 1.0


@dataclass
class Heard:
    """Milliseconds: to each first piece, and by how much every piece came late."""

    first: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    refused: int = 0  # questions that were sent away for a moment


async def listen(user: User, heard: Heard) -> None:
    """One question and the whole of its reply."""
    pieces, began = 0, time.monotonic_ns()
    form = {"message": "well"}
    async with user.house.client.stream(
        "POST", "/api/chat/stream", headers=user.headers, data=form
    ) as answer:
        if answer.status_code == 503:
            heard.refused += 1
            return await asyncio.sleep(AGAIN_S)
        assert answer.status_code == 200, await answer.aread()
        async for piece in answer.aiter_raw():  # whole events: so they are sent
            now = time.monotonic_ns()
            for event in piece.split(b"\n\n"):
                if b'"status":"streaming"' in event:
                    heard.late += [(now - int(stamp)) / 1e6 for stamp in event.split(b"@")[1::2]]
                    if not pieces:
                        heard.first.append((now - began) / 1e6)
                    pieces += 1
    assert pieces, "no piece came"


async def read_until(users: Sequence[User], over: asyncio.Event, rounds: int = 0) -> Heard:
    """All of them, question after question, so many times at least."""
    heard = Heard()
    while rounds > 0 or not over.is_set():
        rounds -= 1
        await asyncio.gather(*(listen(user, heard) for user in users))
    return heard


async def all_indexed(users: Sequence[User]) -> None:
    async with asyncio.timeout(INDEXED_S):
        for user in users:
            while True:
                files = (await user.get("/api/user_files")).json()["files"]
                if [file["rag_status"] for file in files] == ["indexed"] * EACH:
                    break
                await asyncio.sleep(0.5)


async def send(url: str, tokens: Sequence[str], documents: Sequence[tuple[str, bytes]]) -> None:
    """A process of its own: everything at once; says how many seconds the answers took."""

    refused = 0

    async def one(client: httpx.AsyncClient, n: int) -> float:
        nonlocal refused
        began = time.monotonic()
        while True:
            answer = await client.post(
                "/api/chat/upload",
                headers={"Authorization": f"Bearer {tokens[n % len(tokens)]}"},
                files={"file": documents[n % len(documents)]},
            )
            if answer.status_code != 503:
                break
            refused += 1
            await asyncio.sleep(AGAIN_S)
        assert answer.status_code == 200, answer.text
        return time.monotonic() - began

    limits = httpx.Limits(max_connections=UPLOADERS * EACH)
    async with httpx.AsyncClient(base_url=url, timeout=INDEXED_S, trust_env=False, limits=limits) as client:
        took = await asyncio.gather(*(one(client, n) for n in range(UPLOADERS * EACH)))
    print(f"an upload is answered after {median(took):.1f} s, the last after {max(took):.1f} s;", end=" ")
    print(f"{refused} were sent away for a moment")


def told(name: str, values: Sequence[float]) -> None:
    print(
        f"| {name} | {len(values)} | {median(values):.1f} | {p(list(values), 0.99):.1f} | {max(values):.1f} |"
    )


async def run(workers: int) -> None:
    port = free_port()
    model = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bad_models", "--serve", str(port))
    )
    try:
        with tempfile.TemporaryDirectory(prefix="vt-bench-") as name:
            await _measured(Path(name), f"http://127.0.0.1:{port}", workers)
    finally:
        model.terminate()
        await model.wait()


async def _measured(folder: Path, model: str, workers: int) -> None:
    documents = folder / "documents"
    documents.mkdir()
    for source in sources():
        source.build(documents)
    environ = {"LLM_URL": model, "WORKERS": str(workers), "RAG_INDEX_WAIT_SECONDS": "0", **NO_AVATARS}
    async with served(folder / "server", **environ) as one:
        readers = [await person(one, n) for n in range(READERS)]
        senders = [await person(one, 100 + n) for n in range(UPLOADERS)]
        over = asyncio.Event()
        over.set()
        alone = await read_until(readers, over, ROUNDS)
        over.clear()
        reading = asyncio.create_task(read_until(readers, over))
        await asyncio.sleep(1)
        began = time.monotonic()
        sending = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.uploads", "--send", one.house.url, str(documents)),
            *(user.token for user in senders),
        )
        assert await sending.wait() == 0
        await all_indexed(senders)
        took = time.monotonic() - began
        over.set()
        beside = await reading
    print(f"{UPLOADERS * EACH} documents are indexed after {took:.1f} s ({os.cpu_count()} cores)\n")
    print(f"questions sent away for a moment: {beside.refused}\n")
    print("| ms | n | p50 | p99 | max |\n|---|--:|--:|--:|--:|")
    told("first piece, nobody uploads", alone.first)
    told("first piece, beside 100 uploads", beside.first)
    told("lateness of a piece, nobody uploads", alone.late)
    told("lateness of a piece, beside 100 uploads", beside.late)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--send", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.send:
        url, folder, *tokens = given.send
        documents = [(path.name, path.read_bytes()) for path in sorted(Path(folder).iterdir())]
        asyncio.run(send(url, tokens, documents))
    else:
        asyncio.run(run(given.workers))


if __name__ == "__main__":
    main()
