"""The product as people start it: `virtual-tutor serve`, a process with children."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.free_port import free_port
from tests.integration.house import House, settings_for

START_S = 60.0
NO_AVATARS = {"AVATAR_MANAGER_URL": "http://127.0.0.1:9"}  # where nobody looks at one, none need be drawn


def children_of(pid: int) -> set[int]:
    """All living descendants of a process."""
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid:
                    found |= {int(folder.name)} | children_of(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@dataclass(slots=True)
class Served:
    process: "subprocess.Popen[bytes]"
    house: House
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def family(self) -> set[int]:
        return {self.pid} | children_of(self.pid)

    def kill_everything(self) -> None:
        """As a power cut would: nobody gets to say goodbye."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill_everything()


@asynccontextmanager
async def served(folder: Path, **environ: str) -> AsyncIterator[Served]:
    """A server with this data folder, ready; stopped at the end. On a free port, unless PORT is given."""
    environ.setdefault("PORT", str(free_port()))
    settings = settings_for(folder / "data", **environ)
    output = folder / "serve.out"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "ENV_FILE": os.devnull,  # the developer's own .env is none of ours
        "DATA_DIR": str(folder / "data"),
        "METRICS_PORT": "0",
        "CHAT_RATE_PER_MINUTE": "0",
        "DRAIN_SECONDS": "1",
        **environ,
    }
    with output.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "entrypoints.cli", "serve"],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
        )
    url = f"http://127.0.0.1:{environ['PORT']}"
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        one = Served(process, House(url, settings, client), output)
        try:
            await _until_ready(one)
            yield one
        finally:
            await asyncio.to_thread(one.stop)


async def _until_ready(one: Served) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if one.process.poll() is not None:
            break
        with suppress(httpx.TransportError):
            if (await one.house.client.get("/api/health/ready")).status_code == 200:
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the server did not come up:\n{one.output.read_text()}")


def events_in(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:])
