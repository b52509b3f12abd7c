"""What every Blobs promises, asked of the fake, of the local folder and of a bucket."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.disk.blobs import DiskBlobs
from application.ports.blobs import BlobNotFound, Blobs, BlobStoreUnavailable, KeptBlob
from tests.fakes.blobs import FakeBlobs

CONTENT = bytes(range(256)) * 4000
MB = 1024 * 1024
NAME = "0123456789abcdef" * 2


@pytest.fixture(params=["fake", "disk", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "fake":
        return FakeBlobs()
    if request.param == "disk":
        return DiskBlobs(tmp_path / "blobs")
    in_bucket: Blobs = request.getfixturevalue("s3_blobs")
    return in_bucket


async def pieces(content: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def broken(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError


async def kept(blobs: Blobs, content: bytes = CONTENT) -> str:
    name = uuid4().hex
    await blobs.put(name, pieces(content))
    return name


async def read(blobs: Blobs, name: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in blobs.read(name, start, length)])


async def test_what_was_put_can_be_read(blobs: Blobs) -> None:
    assert await read(blobs, await kept(blobs)) == CONTENT


async def test_pieces_are_bounded(blobs: Blobs) -> None:
    name = await kept(blobs)

    assert max([len(piece) async for piece in blobs.read(name)]) <= 1024 * 1024


async def test_nothing_is_a_blob_too(blobs: Blobs) -> None:
    assert await read(blobs, await kept(blobs, b"")) == b""


@pytest.mark.parametrize(
    ("start", "length"), [(0, 10), (300_000, 70_000), (1_023_990, None), (5, 0), (2_000_000, 1)]
)
async def test_a_part_can_be_read(blobs: Blobs, start: int, length: int | None) -> None:
    name = await kept(blobs)

    end = None if length is None else start + length
    assert await read(blobs, name, start, length) == CONTENT[start:end]


async def test_it_can_be_had_as_a_file(blobs: Blobs) -> None:
    async with blobs.local(await kept(blobs)) as file:
        assert await asyncio.to_thread(file.read_bytes) == CONTENT


async def test_what_is_not_there_is_not_found(blobs: Blobs) -> None:
    with pytest.raises(BlobNotFound):
        await read(blobs, NAME)
    with pytest.raises(BlobNotFound):
        async with blobs.local(NAME):
            pass


async def test_a_name_is_given_once(blobs: Blobs) -> None:
    name = await kept(blobs)

    with pytest.raises(BlobStoreUnavailable):
        await blobs.put(name, pieces(b"other"))
    assert await read(blobs, name) == CONTENT


async def test_of_many_at_once_one_gets_the_name(blobs: Blobs) -> None:
    name = uuid4().hex

    ended = await asyncio.gather(
        *(blobs.put(name, pieces(bytes([n]) * 50_000)) for n in range(6)), return_exceptions=True
    )

    assert ended.count(None) == 1
    assert len(set(await read(blobs, name))) == 1


async def test_half_a_blob_is_none(blobs: Blobs) -> None:
    with pytest.raises(ConnectionResetError):
        await blobs.put(NAME, broken(b"half"))

    with pytest.raises(BlobNotFound):
        await read(blobs, NAME)
    await blobs.put(NAME, pieces(b"whole"))
    assert await read(blobs, NAME) == b"whole"


async def test_what_is_not_there_is_told_of_many_where_it_can_be(blobs: Blobs) -> None:
    name = await kept(blobs)

    assert await blobs.gone([name, NAME, "../no name of ours"]) in (set(), {NAME, "../no name of ours"})


async def test_of_a_folder_that_is_not_mounted_nothing_is_known(tmp_path: Path) -> None:
    assert await DiskBlobs(tmp_path / "away").gone([NAME]) == set()


async def test_what_is_erased_is_gone(blobs: Blobs) -> None:
    name = await kept(blobs)

    await blobs.erase(name)
    await blobs.erase(name)

    with pytest.raises(BlobNotFound):
        await read(blobs, name)


async def test_a_name_that_we_did_not_make_leads_nowhere(blobs: Blobs) -> None:
    if isinstance(blobs, FakeBlobs):
        return  # it has no places that a name could lead to
    for name in ("../../etc/passwd", "a/b-c-d-e-f", "Name-In-Capitals", "short", ""):
        with pytest.raises(ValueError, match="not a blob name"):
            await blobs.put(name, pieces(b"x"))
        with pytest.raises(ValueError, match="not a blob name"):
            await read(blobs, name)
        with pytest.raises(ValueError, match="not a blob name"):
            await blobs.erase(name)


async def test_a_large_one_takes_little_memory(blobs: Blobs) -> None:
    if isinstance(blobs, FakeBlobs):
        return  # it has nothing but memory
    name, size = uuid4().hex, 32 * MB
    piece = bytes(range(256)) * 1024

    async def large() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    tracemalloc.start()
    await blobs.put(name, large())
    read_back = 0
    async for part in blobs.read(name):
        assert part in piece + piece
        read_back += len(part)
    async with blobs.local(name) as file:
        assert file.stat().st_size == size
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert read_back == size
    assert peak < 16 * MB
    assert await read(blobs, name, size - 3, 10) == piece[-3:]


@pytest.mark.parametrize("large", [False, True])
async def test_a_cancelled_put_leaves_nothing(blobs: Blobs, large: bool) -> None:
    begun = asyncio.Event()

    async def never_ending() -> AsyncIterator[bytes]:
        yield bytes(6 * MB if large else 10)
        begun.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(blobs.put(NAME, never_ending()))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    with pytest.raises(BlobNotFound):
        await read(blobs, NAME)
    assert await inventory(blobs) == []
    assert await blobs.tidy(datetime.now(UTC) + timedelta(days=1)) == 0


async def test_a_reader_may_leave_early(blobs: Blobs) -> None:
    name = await kept(blobs)
    for _ in range(3):
        async with aclosing(blobs.read(name)) as content:
            assert await anext(content)

    assert await read(blobs, name) == CONTENT


async def inventory(blobs: Blobs) -> list[KeptBlob]:
    return [blob async for blob in blobs.inventory()]


async def test_the_inventory_is_in_order_and_knows_ages(blobs: Blobs) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # stores round
    names = [await kept(blobs, b"x") for _ in range(20)]
    gone = names.pop()
    await blobs.erase(gone)

    told = await inventory(blobs)

    assert [blob.name for blob in told] == sorted(names)
    assert all(before <= blob.since <= datetime.now(UTC) + timedelta(seconds=1) for blob in told)


async def test_where_nothing_was_ever_kept_nothing_is_told(blobs: Blobs) -> None:
    assert await inventory(blobs) == []
    assert await blobs.tidy(datetime.now(UTC)) == 0


async def test_tidying_up_takes_no_blob(blobs: Blobs) -> None:
    name = await kept(blobs)

    assert await blobs.tidy(datetime.now(UTC) + timedelta(days=2)) == 0

    assert await read(blobs, name) == CONTENT
