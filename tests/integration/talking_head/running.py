"""The avatar instance as a real process."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from entrypoints.children import avatar_instance
from tests.free_port import free_port

SECRET = "s" * 32
SOURCE = str(Path(avatar_instance.__file__).parents[2])


@dataclass
class Running:
    process: Process
    http: httpx.AsyncClient

    async def healthy(self) -> dict[str, object]:
        async with asyncio.timeout(60):
            while True:
                try:
                    told: dict[str, object] = (await self.http.get("/health")).json()
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    return told

    async def ready(self) -> None:
        """It has a voice."""
        await self.healthy()
        async with asyncio.timeout(60):
            while (await self.http.post("/human", json={"sessionid": 0})).status_code == 503:  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.05)  # another process's life

    async def sessions(self) -> object:
        return (await self.healthy())["sessions"]


async def started(
    port: int, *options: str, secret: str = SECRET, stdout: int = DEVNULL, **environment: str
) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "entrypoints.children.avatar_instance", "--port", str(port), *options),
        env={**os.environ, "PYTHONPATH": SOURCE, avatar_instance.SECRET: secret, **environment},
        stdout=stdout,
        stderr=PIPE,
    )


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[Running]:
    port = free_port()
    process = await started(port, *options)
    assert process.stderr is not None
    log = asyncio.create_task(process.stderr.read())
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=30, headers={"X-Avatar-Secret": SECRET}
        ) as client:
            yield Running(process, client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        said = (await log).decode()
    assert "Traceback" not in said, said
