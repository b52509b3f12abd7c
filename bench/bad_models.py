"""Does anybody feel it when models misbehave, and how soon does a stop reach the model?

Two servers on one database and one Redis. Twenty replies hang, drip, flood, send 16 MB frames, never end, say
nothing; beside them five people read replies that stamp each piece with the time: how late does it come? Then
two hundred replies are stopped at the server that does not generate them: when does the model see its socket
closed?

    .venv/bin/python -m bench.bad_models
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import httpx
from typing_extensions import override

from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.house import PASSWORD, User
from tests.integration.served import NO_AVATARS, Served, served
from tests.servers.http import Exchange, run
from tests.servers.llm_service import LlmServiceServer

PIECES, GAP_S = 150, 0.02
RESULTS = Path(__file__).with_name("BAD_MODELS.md")
BAD = ("hang", "drip", "flood", "huge", "silent")
BAD_READERS, GOOD_READERS, ROUNDS = 20, 5, 4
STOPS, STOPS_AT_ONCE = 200, 10


class Moody(LlmServiceServer):
    """As it is told by the question's first word."""

    @override
    async def play(self, text: str, exchange: Exchange) -> None:
        await exchange.start("text/event-stream", {})
        mood = text.split()[0]
        if mood == "silent":
            await exchange.end()
        elif mood == "hang":
            await asyncio.Event().wait()
        elif mood == "huge":
            await exchange.send(b"data: " + b"x" * (16 << 20) + b"\n\n")
        elif mood == "drip":
            await exchange.send(b"data: " + json.dumps(self.piece("slowly")).encode() + b"\n\n", 1, 1.0)
        else:
            n = 0
            while mood == "flood" or n < PIECES:
                n += 1
                piece = f"@{time.monotonic_ns()}@ "
                await exchange.send(b"data: " + json.dumps(self.piece(piece)).encode() + b"\n\n")
                await asyncio.sleep(0 if mood == "flood" else GAP_S)
            for event in self.closing():
                await exchange.send(b"data: " + json.dumps(event).encode() + b"\n\n")
            await exchange.end()


async def lateness(user: User) -> list[float]:
    """By how many milliseconds each piece of one reply came late."""
    late: list[float] = []
    async with user.house.client.stream(
        "POST", "/api/chat/stream", headers=user.headers, data={"message": "well"}
    ) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for piece in answer.aiter_raw():  # whole events: so we send them
            now = time.monotonic_ns()
            chunks = [event for event in piece.split(b"\n\n") if b'"status":"streaming"' in event]
            late += [(now - int(stamp)) / 1e6 for chunk in chunks for stamp in chunk.split(b"@")[1::2]]
    assert len(late) == PIECES, f"only {len(late)} pieces came"
    return late


async def suffer(client: httpx.AsyncClient, token: str, mood: str) -> None:
    """Read bad replies for ever."""
    while True:
        async with client.stream(
            "POST",
            "/api/chat/stream",
            headers={"Authorization": f"Bearer {token}"},
            data={"message": f"{mood} {secrets.token_hex(4)}"},
        ) as answer:
            async for _ in answer.aiter_raw():
                pass
        await asyncio.sleep(0.05)


async def suffer_all(url: str, tokens: list[str]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        await asyncio.gather(*(suffer(client, token, BAD[n % len(BAD)]) for n, token in enumerate(tokens)))


@asynccontextmanager
async def apart(*arguments: str) -> AsyncIterator[None]:
    """This program in another process, where its work delays no watch of ours."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.bad_models", *arguments)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def readers(users: list[User]) -> list[float]:
    late: list[float] = []
    for _ in range(ROUNDS):
        for found in await asyncio.gather(*(lateness(user) for user in users)):
            late += found
    return late


async def stop_one(user: User, elsewhere: User, llm: Moody) -> float:
    """Milliseconds from the order at one server to the end of the socket that another one had."""
    message = f"flood-free {secrets.token_hex(8)}"
    form = {"message": message}
    async with user.house.client.stream(
        "POST", "/api/chat/stream", headers=user.headers, data=form
    ) as answer:
        await anext(answer.aiter_raw())
        session = answer.headers["x-session-id"]
        began = time.monotonic()
        stopping = asyncio.create_task(elsewhere.post(f"/api/chat/{session}/stop"))
        while not any(message in one.body.decode() for one in llm.abandoned):
            assert time.monotonic() - began < 10, "the model never saw it"
            await asyncio.sleep(0.001)
        took = (time.monotonic() - began) * 1000
        told = (await stopping).json()
        assert told["stopped"], told
    return took


def p(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@asynccontextmanager
async def two_servers(llm_url: str) -> AsyncIterator[tuple[Served, Served]]:
    valkey = Valkey()
    with tempfile.TemporaryDirectory(prefix="vt-bench-") as name:
        folder = Path(name)
        shared = {
            "DATABASE_URL": f"sqlite:///{folder}/app.db",
            "REDIS_URL": valkey.url,
            "LLM_URL": llm_url,
            "SECRET_KEY": "s" * 40,
            "JWT_SECRET_KEY": "j" * 40,
            "SINGLE_SESSION": "false",
            **NO_AVATARS,
        }
        try:
            async with served(folder / "one", **shared) as one, served(folder / "two", **shared) as two:
                yield one, two
        finally:
            valkey.stop()


async def person(one: Served, n: int) -> User:
    email = f"u{n}@example.org"
    await one.house.register(email)
    return await one.house.login(email, PASSWORD)


def told(name: str, values: list[float]) -> None:
    line = f"| {name} | {len(values)} | {median(values):.1f} | {p(values, 0.99):.1f} | {max(values):.1f} |"
    print(line, flush=True)
    with RESULTS.open("a") as results:
        results.write(line + "\n")


async def main() -> None:
    RESULTS.write_text(
        "# Who else feels models that misbehave, and how soon a stop reaches one\n\n"
        f"`python -m bench.bad_models`, {os.cpu_count()} cores for all of it; milliseconds.\n\n"
        "| | n | p50 | p99 | max |\n|---|--:|--:|--:|--:|\n"
    )
    port = free_port()
    async with apart("--serve", str(port)), two_servers(f"http://127.0.0.1:{port}") as (one, _):
        good = [await person(one, n) for n in range(GOOD_READERS)]
        bad = [(await person(one, 100 + n)).token for n in range(BAD_READERS)]
        told("pieces, among themselves", await readers(good))
        async with apart("--suffer", one.house.url, *bad):
            await asyncio.sleep(2)
            told("pieces, beside 20 bad replies", await readers(good))
    async with Moody() as llm, two_servers(llm.url) as (one, two):
        user = await person(one, 1)
        elsewhere = User(two.house, user.token)
        took: list[float] = []
        for _ in range(STOPS // STOPS_AT_ONCE):
            took += await asyncio.gather(*(stop_one(user, elsewhere, llm) for _ in range(STOPS_AT_ONCE)))
        told("stop elsewhere to socket closed", took)


if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--serve", type=int, help="be the model on this port")
    options.add_argument("--suffer", nargs="+", metavar=("URL", "TOKEN"), help="read bad replies there")
    given = options.parse_args()
    if given.serve:
        sys.argv[1:] = ["--port", str(given.serve)]
        run(lambda port: Moody(port=port))
    elif given.suffer:
        asyncio.run(suffer_all(given.suffer[0], given.suffer[1:]))
    else:
        asyncio.run(main())
