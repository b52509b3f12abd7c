from typing import Protocol


class FullText(Protocol):
    """The full-text indexes, as a whole."""

    async def sweep(self) -> None:
        """No word of a text that was deleted before is left in them, nor in the database's files as far as we
        have a hand in these; nobody waits long for it meanwhile. Raises StorageUnavailable."""
        ...
