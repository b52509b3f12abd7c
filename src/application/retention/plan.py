"""What has grown too old goes once a day."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from domain.job import Job, JobKind

DAILY = (JobKind.FORGET_JOBS, JobKind.EXPIRE_LOG, JobKind.EXPIRE_SESSIONS)
SOON = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanExpiry:
    """At every midnight, by whichever worker the queue gives it to. Each is a job by itself, so that one that
    fails keeps none of the others from it."""

    work: WorkFactory
    clock: Clock

    async def __call__(self) -> None:
        midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        await self._add(DAILY, midnight)

    async def once_more(self, kind: JobKind) -> None:
        """There was more than one job should do: whoever waits for his own goes first."""
        await self._add([kind], self.clock.now() + SOON)

    async def _add(self, kinds: Collection[JobKind], due: datetime) -> None:
        async with self.work() as w:
            for kind in kinds:
                await w.jobs.add(kind, {}, f"{kind}:{due:%Y-%m-%dT%H:%M:%S}", due)
            await w.commit()


@dataclass(frozen=True, slots=True)
class PortionByPortion:
    """Does a job's `portion`, which says whether there may be more: that is for another job like it."""

    portion: Callable[[], Awaitable[bool]]
    plan: PlanExpiry

    async def __call__(self, job: Job) -> None:
        if await self.portion():
            await self.plan.once_more(JobKind(job.kind))
