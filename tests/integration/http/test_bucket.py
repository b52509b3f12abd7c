"""Uploaded files in an S3-compatible store: the same application, another `BLOB_URL`."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from adapters.s3.bucket import Bucket
from tests.buckets import client_at
from tests.conftest import Valkey
from tests.integration.house import House, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.logged import Logged
from tests.servers.llm_service import LlmServiceServer
from tests.servers.proxy import TcpProxy
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server

MB = 1024 * 1024
TEXT = b"Osmosis moves water through a membrane, towards the saltier side."


@pytest.fixture
async def bucket(s3: S3Server) -> AsyncIterator[Bucket]:
    async with client_at(s3.url) as client:
        bucket = Bucket(client, f"house-{uuid4().hex}")
        await bucket.ask("create_bucket")
        yield bucket


@pytest.fixture
async def line(s3: S3Server) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(("127.0.0.1", s3.port)) as line:
        yield line


@pytest.fixture
async def house(
    tmp_path: Path, valkey: Valkey, llm: LlmServiceServer, bucket: Bucket, line: TcpProxy
) -> AsyncIterator[House]:
    async with a_house(
        tmp_path,
        REDIS_URL=valkey.url,
        LLM_URL=llm.url,
        BLOB_URL=f"s3://{bucket.name}/tutor",
        S3_ENDPOINT_URL=f"http://127.0.0.1:{line.port}",
        S3_ACCESS_KEY_ID=ACCESS_KEY_ID,
        S3_SECRET_ACCESS_KEY=SECRET_ACCESS_KEY,
    ) as house:
        yield house


async def keys(bucket: Bucket) -> list[str]:
    return [entry["Key"] for entry in (await bucket.ask("list_objects_v2")).get("Contents", [])]


async def test_a_document_comes_is_indexed_fetched_and_goes(
    house: House, bucket: Bucket, tmp_path: Path
) -> None:
    ann = await house.user()
    notes = tmp_path / "notes.txt"
    notes.write_bytes(TEXT)

    uploaded = (await ann.upload(notes)).json()
    assert uploaded["rag_status"] == "indexed", uploaded
    (key,) = await keys(bucket)
    assert key.startswith("tutor/")
    assert not house.settings.upload_dir.exists()

    file = f"/api/files/{uploaded['file_id']}"
    assert (await ann.get(file)).content == TEXT
    part = await house.client.get(file, headers={**ann.headers, "Range": "bytes=8-12"})
    assert (part.status_code, part.content) == (206, TEXT[8:13])

    deleted = await house.client.delete(file, headers=ann.headers)
    assert deleted.status_code == 200, deleted.text
    assert (await ann.get(file)).status_code == 404
    assert await keys(bucket) == []
    assert list((house.settings.data_dir / "run" / "copies").iterdir()) == []


async def test_while_the_store_is_away_nothing_else_is(
    house: House, bucket: Bucket, line: TcpProxy, logs: Logged, tmp_path: Path
) -> None:
    ann = await house.user()
    notes = tmp_path / "notes.txt"
    notes.write_bytes(TEXT)
    song = tmp_path / "song.mp3"
    song.write_bytes(b"ID3\x04" + bytes(24 * MB))
    file = f"/api/files/{(await ann.upload(song)).json()['file_id']}"
    before, (kept,) = await house.sql("SELECT count(*) FROM stored_file"), await keys(bucket)

    async with house.client.stream("GET", file, headers=ann.headers) as answer:
        pieces = answer.aiter_raw()
        await anext(pieces)
        line.cut()
        with pytest.raises(httpx.RemoteProtocolError):  # the length that was told is not reached
            _ = [piece async for piece in pieces]
    await line.refuse()
    refused, missed = await ann.upload(notes), await ann.get(file)
    told = await ann.ask("What is osmosis?")
    await line.accept()

    assert refusal(refused) == (503, "Failed to save file", "storage_unavailable")
    assert refusal(missed) == (503, "File cannot be read right now", "storage_unavailable")
    assert [line for line in logs.lines if line["level"] == "error"] == []
    assert told.last["status"] == "complete"
    assert await house.sql("SELECT count(*) FROM stored_file") == before
    assert await keys(bucket) == [kept]
    assert (await ann.upload(notes)).status_code == 200
