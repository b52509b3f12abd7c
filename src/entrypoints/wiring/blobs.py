"""Where uploaded files and exports lie."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.disk.blobs import DiskBlobs
from application.ports.blobs import Blobs
from entrypoints.settings import Settings


@asynccontextmanager
async def blobs_of(settings: Settings) -> AsyncIterator[Blobs]:
    """In the bucket of the settings, if they name one; else in the local folder."""
    if settings.blob_url is None:
        yield DiskBlobs(settings.upload_dir)
        return
    from adapters.s3.blobs import S3Blobs  # an extra: not everybody has its libraries
    from adapters.s3.bucket import Bucket
    from adapters.s3.client import s3_client

    bucket, _, folder = settings.blob_url.removeprefix("s3://").partition("/")
    async with s3_client(
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key,
    ) as client:
        prefix = f"{folder}/" if folder else ""
        yield S3Blobs(Bucket(client, bucket), prefix, settings.data_dir / "run" / "copies")
