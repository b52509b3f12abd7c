"""What reading a token costs over each transport, and how soon the upstream sees that nobody reads any more.

    .venv/bin/python bench/transports.py [FAKEUP]

The tokens come from bench/load/fakeup.c (built here with gcc unless a built one is named), each in a
packet of its own. The CPU time of this process is the reader's alone: socket to text, through LlmService.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

import httpx
import uvloop

BENCH = Path(__file__).parent
sys.path.insert(0, str(BENCH.parent / "src"))

from adapters.http.client import http_client  # noqa: E402 (the line above is how it is found)
from adapters.http.lean import LeanTransport  # noqa: E402 (the path is set above)
from adapters.http.llm_service import LlmService  # noqa: E402 (the path is set above)
from application.ports.language_model import Prompt  # noqa: E402 (the path is set above)
from domain.conversation import MemoryId  # noqa: E402 (the path is set above)
from domain.user import UserId  # noqa: E402 (the path is set above)

PORT, EVENTS, ROUNDS, CLOSES = 18190, 250, 3, 200
Make = Callable[[], httpx.AsyncClient]
CLIENTS: dict[str, Make] = {
    "lean": lambda: http_client(transport=LeanTransport()),
    "stock": lambda: http_client(max_connections=None),
}


async def cost(make: Make, streams: int) -> float:
    """Microseconds of CPU for each token."""

    async def read(model: LlmService) -> int:
        text = f"[[n={EVENTS};ms=20;ttft=20;len=0]]"
        prompt = Prompt(user=UserId(1), memory=MemoryId(1), system="", input=text)
        return len([piece async for piece in model.stream(prompt)])

    async with make() as client:
        model = LlmService(client, f"http://127.0.0.1:{PORT}")
        await read(model)
        began = time.process_time()
        told = sum(await asyncio.gather(*(read(model) for _ in range(streams))))
        return (time.process_time() - began) / told * 1e6


async def closing(make: Make) -> list[float]:
    """Milliseconds from closing a stream in its middle until the upstream has read the end of it."""
    seen: asyncio.Queue[float] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        writer.write(b'data: {"chunk": "a", "status": "streaming"}\n\n')
        with suppress(ConnectionError):
            await reader.read()
        seen.put_nowait(time.perf_counter())
        writer.close()

    took = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, make() as client:
        model = LlmService(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(CLOSES):
            prompt = Prompt(user=UserId(1), memory=MemoryId(1), system="", input="Why?")
            async with aclosing(model.stream(prompt)) as pieces:
                await anext(pieces)
                began = time.perf_counter()
            took.append((await seen.get() - began) * 1000)
    return sorted(took)


def main(clients: dict[str, Make], fakeup: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if fakeup is None:
            fakeup = Path(folder, "fakeup")
            subprocess.run(["gcc", "-O2", "-o", fakeup, BENCH / "load" / "fakeup.c"], check=True)
        names = ("--llm", "--rag", "--manager", "--avatar")
        ports = [option for n, name in enumerate(names) for option in (name, str(PORT + n))]
        with subprocess.Popen([fakeup, *ports, "--avatars", "1"], stdout=subprocess.DEVNULL) as upstream:
            time.sleep(0.5)
            try:
                report(clients)
            finally:
                upstream.terminate()


def report(clients: dict[str, Make]) -> None:
    for streams in (50, 200):
        taken: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(ROUNDS):
            for name, make in clients.items():
                taken[name].append(uvloop.run(cost(make, streams)))
        for name, each in taken.items():
            print(
                f"{name:>10}, {streams:3} streams: {min(each):5.1f} to {max(each):5.1f} µs of CPU per token"
            )
    for name, make in clients.items():
        took = uvloop.run(closing(make))
        p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
        print(f"{name:>10}, closed: seen after {p50:.2f} ms (p50), {p99:.2f} ms (p99)")


if __name__ == "__main__":
    main(CLIENTS, Path(sys.argv[1]) if sys.argv[1:] else None)
