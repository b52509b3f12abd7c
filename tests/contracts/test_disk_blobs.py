"""What only a local folder does: temporary files, links, full disks."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.disk.blobs import DiskBlobs
from application.ports.blobs import BlobNotFound, BlobStoreUnavailable, BlobUnreadable
from tests.full_disk import no_file_grows_beyond

LIMIT = 256 * 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(root: Path) -> DiskBlobs:
    return DiskBlobs(root)


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


async def size_of(blobs: DiskBlobs, name: str) -> int:
    return sum([len(piece) async for piece in blobs.read(name)])


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


async def test_what_does_not_fit_is_refused_and_leaves_nothing(blobs: DiskBlobs, root: Path) -> None:
    small = uuid4().hex
    await blobs.put(small, pieces(1000))
    large = uuid4().hex

    with no_file_grows_beyond(LIMIT):
        with pytest.raises(BlobStoreUnavailable):
            await blobs.put(large, pieces(*[100_000] * 5))

        assert files(root) == [small]
        assert await size_of(blobs, small) == 1000  # reading goes on
        await blobs.put(uuid4().hex, pieces(2000))  # and so does whatever fits
        with pytest.raises(BlobNotFound):
            await size_of(blobs, large)

    await blobs.put(large, pieces(*[100_000] * 5))
    assert await size_of(blobs, large) == 500_000


async def test_a_full_disk_is_noticed_at_the_last_moment(blobs: DiskBlobs, root: Path) -> None:
    """The bytes are still in a buffer when the content ends."""
    with no_file_grows_beyond(1024), pytest.raises(BlobStoreUnavailable):
        await blobs.put(uuid4().hex, pieces(2000))

    assert files(root) == []


async def test_what_cannot_be_read_is_not_taken_for_gone(blobs: DiskBlobs, root: Path) -> None:
    name = uuid4().hex
    root.mkdir()
    (root / name[:2]).write_text("a file stands where the folder should be")

    with pytest.raises(BlobUnreadable):
        await size_of(blobs, name)


async def test_a_folder_knows_what_is_gone(blobs: DiskBlobs) -> None:
    kept, never = uuid4().hex, uuid4().hex
    await blobs.put(kept, pieces(10))

    assert await blobs.gone([kept, never]) == {never}


async def test_a_folder_that_cannot_be_made_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file stands where the folder should be")

    with pytest.raises(BlobStoreUnavailable):
        await DiskBlobs(tmp_path / "blobs").put(uuid4().hex, pieces(10))


async def test_old_halves_are_removed_and_young_ones_stay(blobs: DiskBlobs, root: Path) -> None:
    whole = uuid4().hex
    await blobs.put(whole, pieces(10))
    folder = root / whole[:2]
    old, young = (folder / f".{whole}.{n:08x}.part" for n in range(2))
    for half in (old, young, folder / "something-else.part"):
        half.write_bytes(b"half")
    now = datetime.now(UTC)
    os.utime(old, times=(now.timestamp() - 90_000,) * 2)
    os.utime(folder / whole, times=(now.timestamp() - 90_000,) * 2)

    assert await blobs.tidy(now - timedelta(days=1)) == 1

    assert files(root) == sorted([young.name, whole, "something-else.part"])
    assert [blob.name async for blob in blobs.inventory()] == [whole]


async def test_an_upload_on_its_way_in_is_no_half(blobs: DiskBlobs) -> None:
    name, half_way, go_on = uuid4().hex, asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        half_way.set()
        await go_on.wait()
        yield b"second"

    putting = asyncio.ensure_future(blobs.put(name, slow()))
    await half_way.wait()
    assert await blobs.tidy(datetime.now(UTC) - timedelta(days=1)) == 0
    go_on.set()
    await putting

    assert await size_of(blobs, name) == 11


async def test_a_check_makes_nothing(blobs: DiskBlobs, root: Path) -> None:
    assert await blobs.check() is None

    assert not root.exists()
