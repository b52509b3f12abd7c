"""A blob on its way into a bucket."""

import asyncio
from contextlib import suppress
from io import BytesIO

from adapters.s3.bucket import Bucket
from application.ports.blobs import BlobNotFound, BlobStoreUnavailable

PART = 5 * 1024 * 1024  # the least that stores take for a part which is not the last one
FRESH = {"IfNoneMatch": "*"}  # stands under the name already: refused


class Outgoing:
    """Sent a part at a time, so that memory holds one; a small blob is sent in one go. Nothing can be read
    before `publish`, which never replaces anything."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._part = BytesIO()
        self._upload: str | None = None
        self._sent: list[dict[str, object]] = []

    async def add(self, piece: bytes) -> None:
        self._part.write(piece)
        if self._part.tell() >= PART:
            await self._send()

    async def publish(self) -> None:
        if self._upload is None:
            self._part.seek(0)
            await self._bucket.ask("put_object", Key=self._key, Body=self._part, **FRESH)
            return
        if self._part.tell():
            await self._send()
        await self._bucket.ask(
            "complete_multipart_upload",
            Key=self._key,
            UploadId=self._upload,
            MultipartUpload={"Parts": self._sent},
            **FRESH,
        )

    async def abort(self) -> None:
        """Forget what was sent. Goes on when nobody waits for it any more; should the store be away, whoever
        tidies up does it later."""
        if self._upload is not None:
            await asyncio.shield(asyncio.ensure_future(self._abort(self._upload)))

    async def _send(self) -> None:
        if self._upload is None:
            begun = await self._bucket.ask("create_multipart_upload", Key=self._key)
            self._upload = begun["UploadId"]
        number = len(self._sent) + 1
        self._part.seek(0)
        sent = await self._bucket.ask(
            "upload_part", Key=self._key, UploadId=self._upload, PartNumber=number, Body=self._part
        )
        self._sent.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._part = BytesIO()

    async def _abort(self, upload: str) -> None:
        with suppress(BlobNotFound, BlobStoreUnavailable):
            await self._bucket.ask("abort_multipart_upload", Key=self._key, UploadId=upload)
