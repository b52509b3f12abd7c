from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from application.ports.codes import Codes
from domain.errors import StorageUnavailable
from domain.user import Purpose


@asynccontextmanager
async def spent(codes: Codes, email: str, purposes: Sequence[Purpose], code: str) -> AsyncIterator[bool]:
    """Whether the code is right; then it is consumed. What it was given for is done inside: when that cannot
    be stored the code counts again, so that whoever is told to try again can."""
    redeemed = await codes.redeem(email, purposes, code)
    try:
        yield redeemed is not None
    except StorageUnavailable:
        if redeemed is not None:
            with suppress(StorageUnavailable):
                await codes.restore(email, code, redeemed)
        raise
