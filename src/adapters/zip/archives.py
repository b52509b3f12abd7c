"""Zip archives in temporary files."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, ParamSpec, TypeVar
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from typing_extensions import override

from application.ports.archives import Archive, ArchiveFailed, Archives

PIECE = 256 * 1024

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ZipArchives(Archives):
    """In a file of `folder` that has no name: the system takes it back when it is closed, however that
    happens."""

    folder: Path

    @override
    @asynccontextmanager
    async def new(self, made_at: datetime) -> AsyncIterator[Archive]:
        # one thread for one archive: whatever a cancelled caller has begun ends before the file is closed
        thread = ThreadPoolExecutor(1, thread_name_prefix="zip")
        try:
            archive = await _in(thread, _ZipArchive, thread, self.folder, made_at)
            try:
                yield archive
            finally:
                await asyncio.shield(_in(thread, archive.close))
        finally:
            thread.shutdown(wait=False)


class _ZipArchive(Archive):
    def __init__(self, thread: ThreadPoolExecutor, folder: Path, made_at: datetime) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread = thread
        self._date = made_at.astimezone(UTC).timetuple()[:6]
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `close`)
        self._zip = ZipFile(self._file, "w", ZIP_DEFLATED)

    @override
    async def add(self, name: str, content: AsyncIterator[bytes]) -> None:
        entry = await _in(self._thread, self._begun, name)
        try:
            async for piece in content:
                await _in(self._thread, entry.write, piece)
        finally:
            await _in(self._thread, entry.close)

    @override
    async def packed(self) -> AsyncIterator[bytes]:
        await _in(self._thread, self._finish)
        while piece := await _in(self._thread, self._file.read, PIECE):
            yield piece

    def close(self) -> None:
        with suppress(OSError):  # a full disk complains once more
            self._zip.close()
        with suppress(OSError):
            self._file.close()

    def _begun(self, name: str) -> IO[bytes]:
        entry = ZipInfo(name, self._date)
        entry.compress_type = ZIP_DEFLATED
        entry.external_attr = 0o600 << 16
        return self._zip.open(entry, "w", force_zip64=True)

    def _finish(self) -> None:
        self._zip.close()
        self._file.seek(0)


async def _in(thread: ThreadPoolExecutor, call: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    running = asyncio.get_running_loop().run_in_executor(thread, lambda: call(*arguments, **more))
    try:
        return await running
    except OSError as error:
        raise ArchiveFailed from error
