from contextlib import suppress

from application.ports.calls import Calls
from domain.errors import StorageUnavailable


async def tell_of_cancelled_jobs(calls: Calls) -> None:
    """Whoever does a job that was cancelled stops now, and not only when he renews his lease."""
    with suppress(StorageUnavailable):
        await calls.jobs_cancelled()
