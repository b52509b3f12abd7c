"""Foreign errors stop here."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError

from application.ports.blobs import BlobNotFound, BlobStoreUnavailable

MISSING = frozenset({"NoSuchKey", "NotFound", "404"})


class BeyondTheEnd(Exception):
    """No byte of the blob lies where it was asked for."""


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if _code(error) in MISSING:
            raise BlobNotFound from error
        if _code(error) == "InvalidRange":
            raise BeyondTheEnd from error
        raise BlobStoreUnavailable from error
    except (BotoCoreError, TransportError, OSError, TimeoutError) as error:
        raise BlobStoreUnavailable from error


def _code(error: ClientError) -> str:
    """What the store calls it."""
    return str(error.response.get("Error", {}).get("Code", ""))
