"""What every Blobs promises, asked of the fake and of the local folder."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.disk.blobs import DiskBlobs
from application.ports.blobs import BlobNotFound, Blobs, BlobStoreUnavailable
from tests.fakes.blobs import FakeBlobs

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(params=["fake", "disk"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return FakeBlobs() if request.param == "fake" else DiskBlobs(tmp_path / "blobs")


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
        await read(blobs, "never-was-there")
    with pytest.raises(BlobNotFound):
        async with blobs.local("never-was-there"):
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
        await blobs.put("half-of-a-blob", broken(b"half"))

    with pytest.raises(BlobNotFound):
        await read(blobs, "half-of-a-blob")
    await blobs.put("half-of-a-blob", pieces(b"whole"))
    assert await read(blobs, "half-of-a-blob") == b"whole"


async def test_what_is_erased_is_gone(blobs: Blobs) -> None:
    name = await kept(blobs)

    await blobs.erase(name)
    await blobs.erase(name)

    with pytest.raises(BlobNotFound):
        await read(blobs, name)
