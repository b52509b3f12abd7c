"""What only a bucket does: parts, local copies, and a network that fails."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from adapters.s3.blobs import S3Blobs
from adapters.s3.bucket import Bucket
from application.ports.blobs import BlobNotFound, BlobStoreUnavailable, BlobUnreadable
from tests.buckets import client_at
from tests.servers.proxy import TcpProxy
from tests.servers.s3 import S3Server
from tests.servers.tls import loopback_certificate

MB = 1024 * 1024
PREFIX = "tutor/blobs/"


@pytest.fixture
def blobs(s3_blobs: S3Blobs) -> S3Blobs:
    return s3_blobs


@pytest.fixture
async def line(s3: S3Server) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(("127.0.0.1", s3.port)) as proxy:
        yield proxy


@pytest.fixture
async def far(blobs: S3Blobs, line: TcpProxy, tmp_path: Path) -> AsyncIterator[S3Blobs]:
    """The same blobs over a line that can fail, by somebody with little patience."""
    async with client_at(f"http://127.0.0.1:{line.port}", read_s=0.3) as client:
        same = Bucket(client, blobs.bucket.name, answer_s=1.0)
        yield S3Blobs(same, PREFIX, tmp_path / "copies")


async def pieces(size: int, count: int = 1) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


async def read(blobs: S3Blobs, name: str) -> int:
    return sum([len(piece) async for piece in blobs.read(name)])


async def unfinished(blobs: S3Blobs) -> int:
    uploads = await blobs.bucket.ask("list_multipart_uploads")
    return len(uploads.get("Uploads", []))


async def test_names_are_kept_apart_from_whatever_else_is_in_the_bucket(blobs: S3Blobs) -> None:
    name = uuid4().hex
    await blobs.put(name, pieces(10))

    keys = [entry["Key"] for entry in (await blobs.bucket.ask("list_objects_v2"))["Contents"]]

    assert sorted(keys) == ["of-somebody-else", f"{PREFIX}{name}"]
    assert [blob.name async for blob in blobs.inventory()] == [name]


async def test_a_copy_is_gone_with_its_reader(blobs: S3Blobs) -> None:
    name = uuid4().hex
    await blobs.put(name, pieces(1000))

    async with blobs.local(name) as one, blobs.local(name) as other:
        assert one != other
        assert one.stat().st_mode & 0o077 == 0
    assert list(blobs.copies.iterdir()) == []


async def test_no_room_for_a_copy_is_no_bug(blobs: S3Blobs) -> None:
    name = uuid4().hex
    await blobs.put(name, pieces(10))
    blobs.copies.write_text("a file stands where the folder should be")

    with pytest.raises(BlobStoreUnavailable):
        async with blobs.local(name):
            pass


async def test_unfinished_uploads_and_forgotten_copies_are_tidied_up(blobs: S3Blobs) -> None:
    await blobs.bucket.ask("create_multipart_upload", Key=f"{PREFIX}{uuid4().hex}")
    await blobs.bucket.ask("create_multipart_upload", Key="of-somebody-else-too")
    old, young = blobs.copies / "old", blobs.copies / "young"
    blobs.copies.mkdir()
    for copy in (old, young):
        copy.write_bytes(b"x")
    os.utime(old, times=(datetime.now(UTC).timestamp() - 90_000,) * 2)

    assert await blobs.tidy(datetime(2010, 1, 1, tzinfo=UTC)) == 0
    assert await unfinished(blobs) == 2
    assert await blobs.tidy(datetime.now(UTC) - timedelta(days=1)) == 2  # moto: all were begun in 2010
    assert (old.exists(), young.exists()) == (False, True)
    assert await unfinished(blobs) == 1


async def test_without_a_prefix_somebody_elses_unfinished_uploads_are_left_alone(blobs: S3Blobs) -> None:
    whole_bucket = replace(blobs, prefix="")
    await blobs.bucket.ask("create_multipart_upload", Key="somebody/elses/film.mp4")
    await blobs.bucket.ask("create_multipart_upload", Key=uuid4().hex)

    assert await whole_bucket.tidy(datetime.now(UTC) - timedelta(days=1)) == 1
    assert await unfinished(blobs) == 1


async def test_a_list_may_come_in_portions(blobs: S3Blobs) -> None:
    names = sorted([uuid4().hex for _ in range(5)])
    for name in names:
        await blobs.put(name, pieces(1))
    after = {"NextContinuationToken": "ContinuationToken"}

    listed = blobs.bucket.listed("list_objects_v2", "Contents", after, Prefix=PREFIX, MaxKeys=2)

    assert [entry["Key"] async for entry in listed] == [f"{PREFIX}{name}" for name in names]


async def test_a_refused_line_is_unavailable(far: S3Blobs, line: TcpProxy, blobs: S3Blobs) -> None:
    name = uuid4().hex
    await blobs.put(name, pieces(10))
    await line.refuse()

    with pytest.raises(BlobStoreUnavailable):
        await far.put(uuid4().hex, pieces(10))
    with pytest.raises(BlobUnreadable):
        await read(far, name)
    with pytest.raises(BlobStoreUnavailable):
        await far.erase(name)
    with pytest.raises(BlobStoreUnavailable):
        _ = [blob async for blob in far.inventory()]

    await line.accept()
    assert await read(far, name) == 10


async def test_a_store_that_hangs_is_unavailable_in_time(far: S3Blobs, line: TcpProxy) -> None:
    line.hang()
    async with asyncio.timeout(30):
        with pytest.raises(BlobStoreUnavailable):
            await far.put(uuid4().hex, pieces(10))
        with pytest.raises(BlobStoreUnavailable):
            await read(far, uuid4().hex)
    line.resume()


async def test_a_line_that_breaks_half_way_leaves_nothing(
    far: S3Blobs, line: TcpProxy, blobs: S3Blobs
) -> None:
    name = uuid4().hex

    async def content() -> AsyncIterator[bytes]:
        yield bytes(6 * MB)
        assert await unfinished(blobs) == 1
        await line.refuse()
        yield bytes(6 * MB)

    with pytest.raises(BlobStoreUnavailable):
        await far.put(name, content())

    with pytest.raises(BlobNotFound):
        await read(blobs, name)
    assert await blobs.tidy(datetime.now(UTC) + timedelta(days=1)) == 1  # it could not be told to forget
    assert await unfinished(blobs) == 0


async def test_half_an_answer_is_no_blob(far: S3Blobs, line: TcpProxy, blobs: S3Blobs) -> None:
    name = uuid4().hex
    await blobs.put(name, pieces(MB, count=24))

    for misfortune in (line.cut, line.hang):
        content = far.read(name)
        assert await anext(content)
        misfortune()
        with pytest.raises(BlobUnreadable):
            _ = [piece async for piece in content]
    with pytest.raises(BlobUnreadable):
        async with far.local(name):
            pass
    assert list(far.copies.iterdir()) == []
    line.resume()


async def test_a_bucket_that_is_not_there_is_told(s3_client: Any, tmp_path: Path) -> None:
    nowhere = S3Blobs(Bucket(s3_client, "no-such-bucket"), "", tmp_path)

    with pytest.raises(BlobStoreUnavailable) as refusal:
        await nowhere.check()

    assert "NoSuchBucket" in str(refusal.value.__cause__)


async def test_a_check_leaves_nothing(blobs: S3Blobs) -> None:
    assert await blobs.check() is None

    assert await unfinished(blobs) == 0
    assert [blob async for blob in blobs.inventory()] == []


async def test_that_erased_bytes_stay_is_told(blobs: S3Blobs) -> None:
    await blobs.bucket.ask("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})

    assert await blobs.check() == "keeps versions: what is erased stays there"


async def test_a_certificate_of_the_machine_is_trusted_and_no_other(
    s3: S3Server, blobs: S3Blobs, tmp_path: Path
) -> None:
    offered, certificate = loopback_certificate()
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(certificate)
    async with TcpProxy(("127.0.0.1", s3.port), tls=offered) as line:
        url = f"https://localhost:{line.port}"
        os.environ["SSL_CERT_FILE"] = str(authorities)
        try:
            trusting = client_at(url)
        finally:
            del os.environ["SSL_CERT_FILE"]
        async with trusting as client:
            assert await S3Blobs(Bucket(client, blobs.bucket.name), PREFIX, tmp_path).check() is None
        async with client_at(url, read_s=0.5) as client:
            with pytest.raises(BlobStoreUnavailable):
                await S3Blobs(Bucket(client, blobs.bucket.name), PREFIX, tmp_path).check()
