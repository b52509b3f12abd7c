"""Archives: everything that was put in comes out, and nothing stays behind."""

import asyncio
import io
import os
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.zip.archives import PIECE, ZipArchives
from application.ports.archives import ArchiveFailed, Archives
from tests.fakes.archives import FakeArchives

MADE_AT = datetime(2026, 5, 4, 3, 2, 10, tzinfo=UTC)


@pytest.fixture(params=["memory", "zip"])
def archives(request: pytest.FixtureRequest, tmp_path: Path) -> Archives:
    return FakeArchives() if request.param == "memory" else ZipArchives(tmp_path / "run")


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        await asyncio.sleep(0)
        yield piece


async def packed(archives: Archives, files: dict[str, tuple[bytes, ...]]) -> zipfile.ZipFile:
    async with archives.new(MADE_AT) as archive:
        for name, content in files.items():
            await archive.add(name, pieces(*content))
        return zipfile.ZipFile(io.BytesIO(b"".join([piece async for piece in archive.packed()])))


async def test_hold_what_was_put_in(archives: Archives) -> None:
    noise = os.urandom(3 * PIECE)
    zip = await packed(
        archives, {"a.json": (b"[1,", b"2]"), "files/Übung 1.txt": (b"",), "empty": (), "noise": (noise,)}
    )
    assert zip.testzip() is None
    assert {name: zip.read(name) for name in zip.namelist()} == {
        "a.json": b"[1,2]", "files/Übung 1.txt": b"", "empty": b"", "noise": noise,
    }  # fmt: skip


async def test_without_anything_are_archives_too(archives: Archives) -> None:
    assert (await packed(archives, {})).namelist() == []


async def test_come_in_pieces(archives: Archives) -> None:
    async with archives.new(MADE_AT) as archive:
        await archive.add("noise", pieces(os.urandom(5 * PIECE)))
        sizes = [len(piece) async for piece in archive.packed()]
    assert len(sizes) > 5
    assert max(sizes) <= PIECE


class TestZip:
    async def test_says_when_it_was_made(self, tmp_path: Path) -> None:
        zip = await packed(ZipArchives(tmp_path), {"a": (b"x",)})
        assert zip.getinfo("a").date_time == (2026, 5, 4, 3, 2, 10)

    async def test_leaves_nothing_in_its_folder(self, tmp_path: Path) -> None:
        async with ZipArchives(tmp_path).new(MADE_AT) as archive:
            await archive.add("a", pieces(b"x" * 100_000))
            assert list(tmp_path.iterdir()) == []  # not even while it is made
        assert open_files(tmp_path) == 0

    async def test_that_is_given_up_is_closed(self, tmp_path: Path) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield os.urandom(10_000)
                await asyncio.sleep(0)

        async def make() -> None:
            async with ZipArchives(tmp_path).new(MADE_AT) as archive:
                await archive.add("a", endless())

        making = asyncio.create_task(make())
        await asyncio.sleep(0.05)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        async with asyncio.timeout(2):
            while open_files(tmp_path):  # noqa: ASYNC110 (its thread ends by itself)
                await asyncio.sleep(0.01)

    async def test_whose_content_fails_can_go_on(self, tmp_path: Path) -> None:
        async def fails() -> AsyncIterator[bytes]:
            yield b"half"
            raise LookupError

        async with ZipArchives(tmp_path).new(MADE_AT) as archive:
            with pytest.raises(LookupError):
                await archive.add("a", fails())
            await archive.add("b", pieces(b"whole"))
            zip = zipfile.ZipFile(io.BytesIO(b"".join([piece async for piece in archive.packed()])))
        assert zip.read("b") == b"whole"

    async def test_without_room_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ArchiveFailed):
            async with ZipArchives(tmp_path / "file").new(MADE_AT):
                pass


def open_files(folder: Path) -> int:
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found += str(descriptor.readlink()).startswith(str(folder))
        except OSError:
            continue
    return found
