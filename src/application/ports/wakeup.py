from typing import Protocol


class Wakeup(Protocol):
    """Tells sleeping workers that there may be a job. A missed ring costs a second, never the job."""

    async def ring(self) -> None: ...

    async def wait(self, seconds: float) -> None:
        """Returns when it rings, at the latest after `seconds`."""
        ...
