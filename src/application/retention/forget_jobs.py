from dataclasses import dataclass
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.persistence import JobQueue

KEPT = timedelta(days=30)  # nobody asks how a job went whose last try is so long ago
PORTION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetSettledJobs:
    """Rows of jobs that ended long ago go, a portion at a time."""

    queue: JobQueue
    clock: Clock

    async def __call__(self) -> bool:
        """Whether there may be more."""
        return await self.queue.forget_settled(self.clock.now() - KEPT, PORTION) == PORTION
