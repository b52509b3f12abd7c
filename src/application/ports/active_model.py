from typing import Protocol


class ActiveModel(Protocol):
    """Which model an administrator had the model server load, for all workers: some servers do not tell.
    After a loss nobody knows. Raises StorageUnavailable."""

    async def note(self, model: str) -> None: ...

    async def noted(self) -> str | None: ...
