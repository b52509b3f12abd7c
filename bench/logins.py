"""Is logging in limited by Argon2 alone, and does anybody else feel it?

    .venv/bin/python bench/logins.py [--logins 1000] [--at-once 100]

Bare Argon2id verifications with our parameters, in as many threads as the server uses, take turns with logins
over HTTP by a crowd that never pauses, against a server of its own. The ratio, the median of the rounds, is
what the framework, the database and Redis leave of it. Beside the crowd a process of its own calls
/api/health every 20 ms, first with nobody else there.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent), str(HERE)]

from crowd import ARGON2, PASSWORD, a_server, known, loopback  # noqa: E402

from adapters.argon2.hasher import share_of  # noqa: E402

ACCOUNTS = 200
PEOPLE_PER_PLACE = 50
IDLE_S = 5.0
ROUNDS = 5


def bare(threads: int, seconds: float = 2.0) -> float:
    """Verifications a second, nothing else."""
    hash = ARGON2.hash(PASSWORD)

    def verify(until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            ARGON2.verify(hash, PASSWORD)
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(verify, [began + seconds] * threads))
    return done / (time.perf_counter() - began)


async def logins(url: str, number: int, at_once: int) -> tuple[float, list[float]]:
    """Logins a second, and how many milliseconds each one took."""
    left, times = iter(range(number)), []
    host, port = urlsplit(url).hostname, urlsplit(url).port

    async def somebody(n: int) -> None:
        source = loopback(n // PEOPLE_PER_PLACE), 0
        reader, writer = await asyncio.open_connection(host, port, local_addr=source)
        for login in left:
            body = json.dumps({"email": known(login % ACCOUNTS), "password": PASSWORD}).encode()
            head = f"POST /api/login HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = next(
                line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(int(length.partition(b":")[2]))
            times.append((time.perf_counter() - began) * 1000)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(somebody(n) for n in range(at_once)))
    return number / (time.perf_counter() - began), times


def bystander(url: str, line: "Connection[None, list[float]]") -> None:
    client = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 80)
    times: list[float] = []
    while not line.poll(0.02):
        began = time.perf_counter()
        client.request("GET", "/api/health")
        answer = client.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append((time.perf_counter() - began) * 1000)
    line.send(times)


@contextmanager
def watched(url: str) -> Iterator[list[float]]:
    """How long somebody else's calls took, filled in when the context ends."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=bystander, args=(url, theirs))
    process.start()
    found: list[float] = []
    try:
        yield found
    finally:
        ours.send(None)
        found += ours.recv()
        process.join()


def row(name: str, times: list[float]) -> None:
    cut = sorted(times)
    p99 = cut[min(len(cut) - 1, int(len(cut) * 0.99))]
    print(f"{name:<44} {len(cut):>5} {statistics.median(cut):>9.1f} {p99:>9.1f} {cut[-1]:>9.1f}")


async def run(number: int, at_once: int) -> None:
    threads = share_of(1)
    async with a_server(accounts=ACCOUNTS) as house:
        with watched(house.url) as idle:
            await asyncio.sleep(IDLE_S)
        busy: list[float] = []
        times: list[float] = []
        rounds: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            alone = await asyncio.to_thread(bare, threads)
            with watched(house.url) as calls:
                rate, took = await logins(house.url, number // ROUNDS, at_once)
            rounds.append((alone, rate))
            busy += calls
            times += took
    print(f"{'':<44} {'n':>5} {'p50 ms':>9} {'p99 ms':>9} {'max ms':>9}")
    row("/api/health, nobody logs in", idle)
    row(f"/api/health, {at_once} log in at once", busy)
    row(f"a login among {at_once}", times)
    alone, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(rate / alone for alone, rate in rounds)
    print(f"Argon2id alone, hashing threads: {threads}: {alone:.1f}/s; logins: {rate:.1f}/s")
    print(
        f"of that: {statistics.median(ratios):.0%} ({ratios[0]:.0%} to {ratios[-1]:.0%} in {ROUNDS} rounds)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--logins", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(run(options.logins, options.at_once))


if __name__ == "__main__":
    main()
