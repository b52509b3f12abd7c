"""What does a question cost before its first token?

    .venv/bin/python bench/asking.py [--questions 300] [--at-once 200] [--database postgresql] [--profile]

One worker, in this process, with a real Valkey beside it; those who ask, and the model, live in another
process. The model says one word and waits until everybody has heard it, so that what is counted until then is
asking alone and what is counted after it is the end of an answer. Everybody asks in a session of his own:
first one after the other, then all at once. Counted is CPU time of this process, all threads; `--profile`
says where it went (and makes it dearer).
"""

import argparse
import asyncio
import cProfile
import gc
import json
import multiprocessing
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import uvloop
from redis.asyncio import Redis
from sqlalchemy import event
from sqlalchemy.engine import Engine
from typing_extensions import override

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent), str(HERE / "load")]

from seed import students, tokens  # noqa: E402 (the path is set above)

from bench.databases import database_at  # noqa: E402 (the path is set above)
from entrypoints.logs import configure_logging  # noqa: E402 (the path is set above)
from tests.conftest import Valkey  # noqa: E402 (the path is set above)
from tests.free_port import free_port  # noqa: E402 (the path is set above)
from tests.integration.house import House, a_house  # noqa: E402 (the path is set above)
from tests.servers.http import Exchange, HttpServer, Received  # noqa: E402 (the path is set above)

WARM_UP = 50
IDLE_S = 3.0
LAYERS = (  # the first that the path of a function holds
    ("SQL: SQLAlchemy", ("/sqlalchemy/", "/advanced_alchemy/")),
    ("SQL: drivers", ("/aiosqlite/", "/asyncpg/", "sqlite3")),
    ("SQL: ours", ("/adapters/sql/",)),
    ("Redis", ("/redis/", "/hiredis/")),
    ("Litestar, dishka", ("/litestar/", "/dishka/")),
    ("HTTP: ours", ("/entrypoints/",)),
    ("model: ours", ("/adapters/http/", "/httpx/", "/httpcore/", "/h11/", "/anyio/")),
    ("use cases", ("/application/", "/domain/")),
    ("tokens", ("/jwt/",)),
    ("logging", ("/structlog/", "/logging/")),
    ("asyncio", ("/asyncio/", "/granian/", "uvloop")),
)


class OneWord(HttpServer):
    """A model that says one word at once, and the rest when it may."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.go_on = asyncio.Event()

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        await exchange.start("text/event-stream")
        await exchange.send(_event(status="streaming", chunk="Indeed."))
        await self.go_on.wait()
        await exchange.send(_event(status="finished"))
        await exchange.end()


def _event(**fields: str) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


@dataclass(slots=True)
class Crowd:
    """Those who ask: how long each waited for the first word, and who was refused."""

    port: int
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    _lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, token: str) -> None:
        body = urlencode({"message": "Why is the sky blue?"}).encode()
        head = (
            f"POST /api/chat/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._lines.append((reader, writer))
        began = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split()[1])
        self.statuses[status] += 1
        if status == 200:
            await reader.readuntil(b'"Indeed."')
        self.times.append((time.perf_counter() - began) * 1000)

    async def listen(self) -> None:
        """To the end of all answers."""
        for reader, writer in self._lines:
            if self.statuses.keys() == {200}:
                await reader.readuntil(b'"finished"')
            writer.close()
        self._lines.clear()


def outside(model_port: int, port: int, orders: "Connection[object, object]") -> None:
    """The other process: told whom to let ask and whether at once, answers when they have heard the first
    word; told to go on, answers when all is said."""
    uvloop.run(_outside(model_port, port, orders))


async def _outside(model_port: int, port: int, orders: "Connection[object, object]") -> None:
    async with OneWord(model_port) as model:
        orders.send(None)
        while order := await asyncio.to_thread(orders.recv):
            asking, at_once = order  # type: ignore[misc]  # as `measured` sends it
            model.go_on.clear()
            crowd = Crowd(port)
            if at_once:
                await asyncio.gather(*map(crowd.ask, asking))
            else:
                for token in asking:
                    await crowd.ask(token)
            orders.send((crowd.times, crowd.statuses))
            await asyncio.to_thread(orders.recv)
            model.go_on.set()
            await crowd.listen()
            orders.send(None)


@dataclass(slots=True)
class Statements:
    """What is sent to the database."""

    seen: Counter[str] = field(default_factory=Counter)

    def note(self, _: object, __: object, statement: str, *more: object) -> None:
        self.seen[" ".join(statement.split())] += 1


@contextmanager
def noted() -> Iterator[Statements]:
    statements = Statements()
    event.listen(Engine, "before_cursor_execute", statements.note)
    yield statements
    event.remove(Engine, "before_cursor_execute", statements.note)


async def measured(
    name: str, asking: list[str], at_once: bool, orders: "Connection[object, object]", redis: Redis
) -> None:
    number = len(asking)
    with noted() as statements:
        reads, cpu = await _reads(redis), time.process_time()
        orders.send((asking, at_once))
        times, statuses = await asyncio.to_thread(orders.recv)  # type: ignore[misc]  # as `_outside` sends it
        asked_ms = (time.process_time() - cpu) * 1000 / number
        asked_reads = (await _reads(redis) - reads - 1) / number
    cpu = time.process_time()
    orders.send(None)
    await asyncio.to_thread(orders.recv)
    ended_ms = (time.process_time() - cpu) * 1000 / number
    cut = sorted(times)
    p50, p99 = statistics.median(cut), cut[min(number - 1, int(number * 0.99))]
    refused = number - statuses[200]
    print(
        f"{name:<26} {asked_ms:>8.1f} {ended_ms:>8.1f} {statements.seen.total() / number:>11.1f}"
        f" {asked_reads:>9.1f} {p50:>8.0f} {p99:>8.0f} {refused:>8}"
    )
    if not at_once:
        for statement, times_seen in statements.seen.most_common():
            if times_seen > number / 2:
                print(f"    {times_seen / number:4.1f} x {statement[:150]}")


async def _reads(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_reads_processed"])


@contextmanager
def profiled(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    yield
    profile.disable()
    report(pstats.Stats(profile))


def report(stats: pstats.Stats) -> None:
    """The time of each layer; what is not written in Python counts for those who call it."""
    spent: Counter[str] = Counter()
    for (path, _, name), (_, _, itself, _, callers) in stats.stats.items():  # type: ignore[attr-defined]  # untyped
        if path == "~" and callers:
            for (caller, _, _), (_, _, share, _) in callers.items():
                spent[layer(caller, name)] += share
        else:
            spent[layer(path, name)] += itself
    for name, seconds in spent.most_common():
        print(f"{seconds / spent.total():6.1%} {name}")
    stats.sort_stats("tottime").print_stats(45)
    stats.sort_stats("cumtime").print_stats(90)


def layer(path: str, name: str) -> str:
    for title, marks in LAYERS:
        if any(mark in path or (path == "~" and mark in name) for mark in marks):
            return title
    return "everything else"


@asynccontextmanager
async def a_worker(database: str) -> AsyncIterator[tuple[House, "Connection[object, object]"]]:
    """With a crowd at its door."""
    model_port, ours, theirs = free_port(), *multiprocessing.Pipe()
    valkey = Valkey()
    try:
        with tempfile.TemporaryDirectory(prefix="vt-bench-") as folder, database_at(database) as place:
            settings = {"REDIS_URL": valkey.url, "LLM_URL": f"http://127.0.0.1:{model_port}", **place}
            async with a_house(Path(folder), GROUNDING="off", **settings) as house:
                port = urlsplit(house.url).port or 80
                context = multiprocessing.get_context("spawn")
                process = context.Process(target=outside, args=(model_port, port, theirs))
                process.start()
                await asyncio.to_thread(ours.recv)
                try:
                    yield house, ours
                finally:
                    ours.send(None)
                    process.join()
    finally:
        valkey.stop()


async def run(database: str, number: int, at_once: int, profile: bool) -> None:
    async with a_worker(database) as (house, orders):
        signed = await tokens(house.settings, await students(house.settings, WARM_UP + number + at_once))
        everybody = iter(signed)
        some = [next(everybody) for _ in range(WARM_UP)]
        redis = Redis.from_url(house.settings.redis_url)
        print(
            f"{database:<26} {'ms asked':>8} {'ms ended':>8} {'statements':>11} {'Redis':>9} {'p50 ms':>8} "
            f"{'p99 ms':>8} {'refused':>8}"
        )
        await measured("warming up", some, True, orders, redis)
        idle, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(IDLE_S)
        idle_ms = (time.process_time() - cpu) * 1000 / (time.perf_counter() - idle)
        print(f"{'idle, for each second':<26} {idle_ms:>8.1f}")
        with profiled(profile):
            one_by_one = [next(everybody) for _ in range(number)]
            await measured(f"{number} one after the other", one_by_one, False, orders, redis)
        await measured(f"{at_once} at once", list(everybody), True, orders, redis)
        await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with Path(os.devnull).open("w") as nowhere:
        with redirect_stderr(nowhere):
            configure_logging("INFO")  # what is logged has its price, too
        gc.collect()
        gc.freeze()  # as the server does
        uvloop.run(run(options.database, options.questions, options.at_once, options.profile))


if __name__ == "__main__":
    main()
