"""Blobs in a bucket of an S3-compatible store."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from typing_extensions import override

from adapters.s3.bucket import Bucket
from adapters.s3.errors import BeyondTheEnd
from adapters.s3.outgoing import Outgoing
from application.ports.blobs import (
    BLOB_NAME,
    BlobNotFound,
    Blobs,
    BlobStoreUnavailable,
    BlobUnreadable,
    KeptBlob,
)

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class S3Blobs(Blobs):
    """One object a blob, its key the prefix and the name. Local copies lie in the folder `copies` as long as
    somebody reads them."""

    bucket: Bucket
    prefix: str
    copies: Path

    @override
    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        outgoing = Outgoing(self.bucket, self._key(name))
        try:
            async for piece in content:
                await outgoing.add(piece)
            await outgoing.publish()
        except BaseException:
            await outgoing.abort()
            raise

    @override
    async def read(self, name: str, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        last = "" if length is None else start + max(length, 1) - 1
        part = {"Range": f"bytes={start}-{last}"} if start or length is not None else {}
        try:
            answer = await self.bucket.ask("get_object", Key=self._key(name), **part)
            async with answer["Body"] as body:
                while length != 0 and (piece := await self.bucket.read(body, PIECE)):
                    yield piece
        except BeyondTheEnd:
            return
        except BlobStoreUnavailable as error:
            raise BlobUnreadable from error.__cause__

    @override
    async def gone(self, names: Sequence[str]) -> set[str]:
        return set()  # the store would have to be asked for each

    @override
    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        copy = self.copies / f"{name}.{token_hex(4)}"
        try:
            await self._copy(name, copy)
            yield copy
        finally:
            await asyncio.to_thread(_remove, copy)

    @override
    async def erase(self, name: str) -> None:
        await self.bucket.ask("delete_object", Key=self._key(name))

    @override
    async def inventory(self) -> AsyncGenerator[KeptBlob]:
        after = {"NextContinuationToken": "ContinuationToken"}
        entries = self.bucket.listed("list_objects_v2", "Contents", after, Prefix=self.prefix)
        async for entry in entries:
            if self._is_ours(entry["Key"]):
                yield KeptBlob(entry["Key"].removeprefix(self.prefix), entry["LastModified"])

    @override
    async def tidy(self, before: datetime) -> int:
        removed = await asyncio.to_thread(_drop_copies, self.copies, before.timestamp())
        after = {"NextKeyMarker": "KeyMarker", "NextUploadIdMarker": "UploadIdMarker"}
        entries = self.bucket.listed("list_multipart_uploads", "Uploads", after, Prefix=self.prefix)
        async for entry in entries:
            if self._is_ours(entry["Key"]) and entry["Initiated"] < before:
                upload = {"Key": entry["Key"], "UploadId": entry["UploadId"]}
                await self.bucket.ask("abort_multipart_upload", **upload)
                removed += 1
        return removed

    @override
    async def check(self) -> str | None:
        key = self._key(token_hex(16))
        begun = await self.bucket.ask("create_multipart_upload", Key=key)
        await self.bucket.ask("abort_multipart_upload", Key=key, UploadId=begun["UploadId"])
        await self.bucket.ask("list_objects_v2", Prefix=self.prefix, MaxKeys=1)
        try:
            versioning = await self.bucket.ask("get_bucket_versioning")
        except (BlobNotFound, BlobStoreUnavailable):  # not every store knows the question
            return None
        return "keeps versions: what is erased stays there" if versioning.get("Status") else None

    def _is_ours(self, key: str) -> bool:
        """Without a prefix the whole bucket is listed, whoever else keeps something there."""
        return BLOB_NAME.fullmatch(key.removeprefix(self.prefix)) is not None

    def _key(self, name: str) -> str:
        if not BLOB_NAME.fullmatch(name):
            raise ValueError("not a blob name")
        return f"{self.prefix}{name}"

    async def _copy(self, name: str, copy: Path) -> None:
        try:
            with await asyncio.to_thread(_fresh, copy) as file:
                async with aclosing(self.read(name)) as content:
                    async for piece in content:
                        await asyncio.to_thread(file.write, piece)
        except OSError as error:
            raise BlobUnreadable from error


def _fresh(copy: Path) -> BinaryIO:
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _remove(copy: Path) -> None:
    with suppress(OSError):  # whoever tidies up tries again
        copy.unlink(missing_ok=True)


def _drop_copies(folder: Path, before: float) -> int:
    """Those that whoever read them has left behind; how many."""
    removed = 0
    for copy in folder.glob("*"):
        with suppress(OSError):  # its reader was quicker
            if copy.stat().st_mtime < before:
                copy.unlink()
                removed += 1
    return removed
