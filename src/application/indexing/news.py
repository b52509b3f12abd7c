from contextlib import suppress

from application.ports.calls import Calls
from domain.errors import StorageUnavailable
from domain.user import UserId


async def tell_of_files(calls: Calls, owner: UserId | None) -> None:
    """Whoever watches the owner's files looks now, and not only when he does so by himself."""
    if owner is not None:
        with suppress(StorageUnavailable):
            await calls.files_changed(owner)
