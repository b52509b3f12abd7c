"""Text out of documents, read by a process apart that may crash, hang or eat memory without harm."""

import asyncio
import json
import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import override

from application.ports.extraction import Extractor, Page
from domain.document import BadFile

AT_ONCE = 2
UNREADABLE = "Document cannot be read"
_CODE = Path(__file__).resolve().parents[2]  # where the child finds our packages


class ProcessExtractor(Extractor):
    """Each document gets a fresh process with little memory, no files to write and a time limit."""

    def __init__(
        self,
        *,
        max_pages: int = 1000,
        max_archive_ratio: int = 100,
        max_archive_mb: int = 200,
        timeout_s: float = 60.0,
        memory_mb: int = 1024,
    ) -> None:
        self._limits = {"pages": max_pages, "archive_ratio": max_archive_ratio, "archive_mb": max_archive_mb}
        self._timeout = timeout_s
        self._memory = memory_mb
        self._slots = asyncio.Semaphore(AT_ONCE)

    @override
    async def pages(self, file: Path, extension: str) -> list[Page]:
        answer = await self._ask("pages", file, extension)
        return [Page(number, text) for number, text in answer]

    @override
    async def check(self, file: Path, extension: str) -> None:
        await self._ask("check", file, extension)

    async def _ask(self, task: str, file: Path, extension: str) -> list[tuple[int | None, str]]:
        request = {
            "task": task,
            "file": os.path.abspath(file),  # noqa: PTH100, ASYNC240 (a name only)
            "extension": extension,
            "limits": self._limits,
            "memory_mb": self._memory,
            "seconds": math.ceil(self._timeout),
        }
        async with self._slots:
            output = await self._run(json.dumps(request).encode() + b"\n")
        try:
            answer: dict[str, Any] = json.loads(output) if output else {"refused": UNREADABLE}
        except ValueError:
            answer = {"refused": UNREADABLE}
        if "refused" in answer:
            raise BadFile(answer["refused"])
        return [(number, text) for number, text in answer["pages"]]

    async def _run(self, request: bytes) -> bytes:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "adapters.extraction.child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": str(_CODE), "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            cwd="/",
        )
        if child.stdin is None or child.stdout is None:
            raise BadFile(UNREADABLE)
        try:
            async with asyncio.timeout(self._timeout):
                child.stdin.write(request)
                return await child.stdout.read()
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            return b""
        finally:
            child.stdin.close()
            if child.returncode is None:
                # `child.kill` would look after the process itself and confuse asyncio, which does so too.
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            await child.wait()
