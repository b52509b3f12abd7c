"""What has grown too old goes once a day."""

from dataclasses import dataclass
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from domain.job import JobKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanExpiry:
    """At every midnight, by whichever worker the queue gives it to."""

    work: WorkFactory
    clock: Clock

    async def __call__(self) -> None:
        midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        async with self.work() as w:
            await w.jobs.add(JobKind.EXPIRE_OLD, {}, f"expire_old:{midnight:%Y-%m-%d}", midnight)
            await w.commit()
