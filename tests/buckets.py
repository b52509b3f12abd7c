"""Buckets at the S3 server of the tests."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from adapters.s3.blobs import S3Blobs
from adapters.s3.bucket import Bucket
from adapters.s3.client import s3_client
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY


def client_at(url: str, read_s: float = 10.0) -> AbstractAsyncContextManager[Any]:
    return s3_client(
        endpoint_url=url,
        region="us-east-1",
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
        read_s=read_s,
    )


async def fresh_blobs(client: Any, folder: Path) -> S3Blobs:
    """Blobs in a new bucket, in which somebody else keeps something too."""
    bucket = Bucket(client, f"blobs-{uuid4().hex}")
    await bucket.ask("create_bucket")
    await bucket.ask("put_object", Key="of-somebody-else", Body=b"not ours")
    return S3Blobs(bucket, "tutor/blobs/", folder / "copies")
