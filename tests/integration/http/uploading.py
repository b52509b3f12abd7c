"""Files on their way in, what they leave behind, and what they cost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from application.tasks import ended
from tests.integration.house import House, User

READER = "adapters.extraction.child"
TABLES = ("session", "llm_session", "message", "stored_file", "job", "passage", "notification")


async def send(user: User, name: str, content: bytes, **fields: str) -> httpx.Response:
    return await user.post("/api/chat/upload", data=fields, files={"file": (name, content)})


async def traces(house: House) -> dict[str, Any]:
    """Everything an upload could leave: rows, files in the store, spooled parts that are still open, and
    processes that read."""
    counts: dict[str, Any] = {
        table: (await house.sql(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES
    }
    folder = Path(house.settings.upload_dir)
    counts["files"] = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    return counts | {"spooled": spooled(), "readers": sorted(readers())}


def spooled() -> list[str]:
    """Parts of requests that this process holds on disk."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if "vt-upload-" in target:
            found.append(target)
    return found


def readers() -> set[int]:
    """The processes that read documents for this one."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in children.read_text().split():
                if READER in Path(f"/proc/{pid}/cmdline").read_text():
                    found.add(int(pid))
    return found


@dataclass(slots=True)
class Cost:
    """What something took, at most: of this process beyond what it had, and of a process that reads."""

    seconds: float = 0.0
    server_mb: float = 0.0
    reader_mb: float = 0.0


@asynccontextmanager
async def measured() -> AsyncIterator[Cost]:
    """The cost is known when the context ends."""
    cost = Cost()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    before = _memory_mb("self", "VmRSS")
    began = time.monotonic()
    watching = asyncio.create_task(_watch(cost))
    try:
        yield cost
    finally:
        cost.seconds = time.monotonic() - began
        cost.server_mb = _memory_mb("self", "VmHWM") - before
        await ended(watching)


async def _watch(cost: Cost) -> None:
    while True:
        for pid in readers():
            with suppress(OSError, StopIteration):  # it is gone already
                cost.reader_mb = max(cost.reader_mb, _memory_mb(str(pid), "VmHWM"))
        await asyncio.sleep(0.01)


def _memory_mb(pid: str, of: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(of)).split()[1]) / 1024
