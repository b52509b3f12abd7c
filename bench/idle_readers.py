"""What does a reader cost that waits, and do others feel a thousand of them?

    .venv/bin/python bench/idle_readers.py [--readers 1000] [--active 200]

One worker; replies that fall silent after their first word, each with ten readers: who asked, and nine who
resume. Memory is that of the worker. Beside them, and before they come, active streams of 50 tokens a second.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from typing_extensions import override

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "load")]

from cells import load  # noqa: E402 (the path is set above)
from machine import resident  # noqa: E402 (the path is set above)
from processes import Target, Unusable  # noqa: E402 (the path is set above)
from product import plan, running, tokens, worker  # noqa: E402 (the path is set above)
from report import KIB, num, table  # noqa: E402 (the path is set above)

RESULTS = HERE / "IDLE_READERS.md"
EACH = 10  # readers of a reply
SILENT = "Why are leaves green? [[n=4;ms=60000;ttft=10]]"
GOAL_KIB = 48
WARM_UP = 20  # streams
ASKING_AT_ONCE = 4
BOUNDARY = "bench"


class Reader(asyncio.Protocol):
    """Opens a stream and swallows what comes."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._got = b""
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.lost = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    @override
    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self._got += data
            if b"data: " in self._got:  # the first event
                self.answered.set_result(self._got)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.answered.done():
            self.answered.set_exception(ConnectionError(self._got[:300].decode(errors="replace")))


def ask(token: str) -> bytes:
    fields = {"message": SILENT, "use_documents": "false"}
    body = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    body += f"--{BOUNDARY}--\r\n"
    head = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n"
    return f"POST /api/chat/stream HTTP/1.1\r\n{_common(token)}{head}\r\n{body}".encode()


def resume(token: str, message: str) -> bytes:
    return f"GET /api/chat/stream/{message} HTTP/1.1\r\n{_common(token)}\r\n".encode()


def _common(token: str) -> str:
    return f"Host: bench\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n"


async def opened(port: int, request: bytes) -> tuple[Reader, bytes]:
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: Reader(request), "127.0.0.1", port)
    async with asyncio.timeout(60):
        return reader, await reader.answered


async def company(port: int, token: str) -> list[Reader]:
    """A silent reply's readers."""
    first, head = await opened(port, ask(token))
    lines = head.lower().split(b"\r\n")
    message = next(line for line in lines if line.startswith(b"x-message-id:")).partition(b":")[2].strip()
    return [first, *[(await opened(port, resume(token, message.decode())))[0] for _ in range(EACH - 1)]]


async def crowd(port: int, students: list[str]) -> list[Reader]:
    turn = asyncio.Semaphore(ASKING_AT_ONCE)

    async def come(token: str) -> list[Reader]:
        async with turn:
            return await company(port, token)

    return [reader for each in await asyncio.gather(*map(come, students)) for reader in each]


def refused(found: dict[str, Any]) -> str:
    statuses = {status: number for status, number in found["status"].items() if status != "200"}
    said = [f"{number} × {status}" for status, number in statuses.items()]
    return ", ".join([*said, *([f"{found['short']} short"] if found["short"] else [])]) or "-"


def active(target: Target, options: argparse.Namespace, streams: int) -> dict[str, Any]:
    measure = plan(chunks=options.chunks, gentle=options.gentle)
    ramp_ms = measure.ramp_ms * streams
    return load(measure, target, streams, chunks=options.chunks, first_ms=20, ramp_ms=ramp_ms)


async def beside(target: Target, options: argparse.Namespace) -> tuple[float, int, dict[str, Any]]:
    """Bytes for each of the idle readers, how many of them were lost, and the others' figures meanwhile."""
    await asyncio.to_thread(active, target, options, WARM_UP)
    pid = worker(target)
    before = resident([pid])  # while it has no memory left from busier times that readers could be given
    readers = await crowd(target.port, list(tokens(target)[options.active :]))
    await asyncio.sleep(2)
    each = (resident([pid]) - before) / len(readers)
    together = await asyncio.to_thread(active, target, options, options.active)
    return each, sum(reader.lost for reader in readers), together


def told(options: argparse.Namespace, each: float, lost: int, found: dict[str, dict[str, Any]]) -> str:
    rows = [
        [name, *(num(one["relay_us"][p] / 1e3) for p in ("p50", "p99")), one["ok"], refused(one)]
        for name, one in found.items()
    ]
    head = [f"{options.active} streams of 50 tokens/s", "relay p50, ms", "p99, ms", "whole", "else"]
    cost = f"**{each / KIB:.1f} KiB each** (goal: ≤ {GOAL_KIB}), {lost} of them lost."
    who = f"{options.readers} readers of {options.readers // EACH} silent replies in one worker"
    return f"# Idle readers\n\n{who}: {cost}\n\n{table(head, rows)}\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--active", type=int, default=200)
    parser.add_argument("--chunks", type=int, default=500, help="of each active stream")
    parser.add_argument("--gentle", action="store_true", help="no priority over others")
    parser.add_argument("--md", default=str(RESULTS), help="where the result goes; - is here")
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    measure = plan(gentle=options.gentle)
    try:
        with running(measure, options.active) as target:
            active(target, options, WARM_UP)
            alone = active(target, options, options.active)
        with running(measure, options.active + options.readers // EACH) as target:
            each, lost, together = asyncio.run(beside(target, options))
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    found = {"alone": alone, f"beside {options.readers} idle readers": together}
    text = told(options, each, lost, found)
    if options.md == "-":
        print(text)
    else:
        Path(options.md).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
