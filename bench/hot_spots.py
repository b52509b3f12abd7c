"""Where does a worker's time go, for each chunk and for each question?

    .venv/bin/python bench/hot_spots.py [--conns 200] [--seconds 8]

Streams of 50 tokens a second through one worker; py-spy looks at whoever holds the interpreter, 500 times a
second. It is installed beside the peers and needs the right to trace (root, or kernel.yama.ptrace_scope=0).
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "load")]

from cells import load  # noqa: E402 (the path is set above)
from machine import CpuTime  # noqa: E402 (the path is set above)
from processes import PEERS, WORK, Target, Unusable  # noqa: E402 (the path is set above)
from product import plan, running, worker  # noqa: E402 (the path is set above)
from report import num, table  # noqa: E402 (the path is set above)

RESULTS = HERE / "PROFILE.md"
TOP = 40
RAMP_MS = 30  # between two questions
AREAS = (  # the first that any frame of a stack belongs to
    ("httpx, httpcore, h11", ("httpx/", "httpcore/", "h11/")),
    ("reading the model (`adapters/http`)", ("adapters/http/",)),
    ("copies for others (`mirror`, Redis replies)", ("chat/mirror", "redis/replies")),
    ("storing (`adapters/sql`, SQLAlchemy)", ("adapters/sql/", "sqlalchemy/", "aiosqlite/")),
    ("Redis", ("redis/",)),
    ("the reply (`application/chat`)", ("application/chat/",)),
    ("the stream's frames (`event_stream`)", ("http/event_stream",)),
    ("requests (`entrypoints/http`, Litestar)", ("entrypoints/http/", "litestar/")),
)


@contextmanager
def watched(pid: int, seconds: float, raw: Path) -> Iterator[None]:
    """Profiles the process in the meantime. Raises Unusable."""
    options = ["--pid", str(pid), "--duration", str(round(seconds)), "--rate", "500", "--gil"]
    options.append(
        "--nonblocking"
    )  # a process that is stopped to be looked at stops where it calls the kernel
    argv = [str(PEERS / "bin" / "py-spy"), "record", *options, "--format", "raw", "--output", str(raw)]
    spy = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield
        _, said = spy.communicate(timeout=seconds + 30)
        if spy.returncode:
            raise Unusable(f"py-spy: {said.strip()[-300:]}")
    finally:
        spy.kill()


def stacks(raw: Path) -> Iterator[tuple[list[str], int]]:
    for line in raw.read_text().splitlines():
        frames, _, number = line.rpartition(" ")
        yield frames.split(";"), int(number)


def _edge(frames: list[str]) -> int:
    """Where the server's own frames, which are in every stack, end."""
    ours = (n for n, frame in enumerate(frames) if "_spawn_asgi" in frame)
    return next(ours, -1) + 1


def area(frames: list[str]) -> str:
    for name, marks in AREAS:
        if any(mark in frame for frame in frames for mark in marks):
            return name
    return "everything else"


def own(frame: str) -> str:
    """A frame without the path to what is installed."""
    return f"`{frame.rpartition('site-packages/')[2]}`"


def shares(counts: Counter[str], total: int) -> str:
    rows = [[name, num(100 * number / max(1, total))] for name, number in counts.most_common(TOP)]
    return table(["", "%"], rows)


def cost(target: Target, conns: int, chunks: int, ramp_ms: int) -> tuple[float, int]:
    """Microseconds of the worker, and the chunks that came through."""
    before = CpuTime.of([worker(target)])
    found = load(plan(), target, conns, chunks=chunks, first_ms=20, ramp_ms=ramp_ms * conns)
    spent = before.until(CpuTime.of([worker(target)]))
    return 1e6 * spent, int(found["chunks"])


def run(target: Target, conns: int, seconds: float) -> str:
    cost(target, 20, 20, RAMP_MS)  # warms everything
    asking, asked = cost(target, conns, 1, 2 * RAMP_MS)
    question_us = asking / max(1, asked)
    ramp_s = conns * RAMP_MS / 1000
    chunks = int((ramp_s + seconds + 4) * 50)
    spent, came = cost(target, conns, chunks, RAMP_MS)
    chunk_us = (spent - conns * question_us) / max(1, came)
    again = threading.Thread(target=cost, args=(target, conns, chunks, RAMP_MS))
    again.start()
    time.sleep(ramp_s + 1)
    with watched(worker(target), seconds, raw := WORK / "profile.raw"):
        pass
    again.join()
    intro = (
        f"# Where a worker's time goes\n\n`bench/hot_spots.py`, {conns} streams of 50 tokens a second: "
        f"{num(chunk_us)} µs of CPU for each chunk, {num(question_us / 1e3)} ms for each question."
    )
    return f"{intro}\n\n{where(raw)}"


def where(raw: Path) -> str:
    itself, total, areas, samples = Counter[str](), Counter[str](), Counter[str](), 0
    for frames, number in stacks(raw):
        samples += number
        itself[own(frames[-1])] += number
        areas[area(frames)] += number
        inner = frames[_edge(frames) :]
        total.update({own(frame): number for frame in set(inner)})
    parts = [
        f"Below, shares of the time in which Python code ran while all streams were open ({samples} "
        "samples). A process stops for the profiler where it calls the kernel, so lines that do so look "
        "dearer than they are: `get_running_loop` is one, it asks for the process's id."
    ]
    for title, counts in (
        ("By area", areas),
        ("By function, itself", itself),
        ("By function, with what it calls", total),
    ):
        parts += [f"## {title}", shares(counts, samples)]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--conns", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--md", default=str(RESULTS), help="where the result goes; - is here")
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    try:
        with running(plan(), options.conns) as target:
            text = run(target, options.conns, options.seconds)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    if options.md == "-":
        print(text)
    else:
        Path(options.md).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
