"""The worker's side of the job table."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.work import connected, looking
from application.ports.persistence import JobQueue
from domain.job import Job, JobId, JobKind, JobState


@dataclass(frozen=True, slots=True)
class SqlJobQueue(JobQueue):
    sessions: async_sessionmaker[AsyncSession]
    reading: AsyncEngine

    @override
    async def claim(
        self, owner: str, now: datetime, lease: timedelta, kinds: Collection[JobKind] = tuple(JobKind)
    ) -> Job | None:
        j = t.jobs.c
        due = or_(
            and_(j.state == JobState.WAITING, j.run_at <= now),
            and_(j.state == JobState.RUNNING, j.lease_until < now),
        )
        oldest = select(j.id).where(due, j.kind.in_(sorted(kinds))).order_by(j.run_at, j.id).limit(1)
        async with looking(self.reading) as db:  # an idle poll takes no write lock
            if (await db.execute(oldest)).first() is None:
                return None
        async with connected(self.sessions) as session:
            claimed = await session.execute(
                update(t.jobs)
                .where(j.id == oldest.with_for_update(skip_locked=True).scalar_subquery())
                .values(
                    state=JobState.RUNNING,
                    lease_owner=owner,
                    lease_until=now + lease,
                    attempts=j.attempts + 1,
                )
                .returning(j.id, j.kind, j.payload, j.attempts, j.lease_until)
            )
            row = claimed.first()
            await session.commit()
        if row is None:
            return None
        return Job(JobId(row.id), row.kind, row.payload, row.attempts, row.lease_until)

    @override
    async def renew(self, job: JobId, owner: str, lease_until: datetime) -> bool:
        return await self._change(job, owner, lease_until=lease_until)

    @override
    async def finish(self, job: JobId, owner: str) -> None:
        await self._change(job, owner, state=JobState.DONE, payload={}, lease_owner=None, lease_until=None)

    @override
    async def fail(self, job: JobId, owner: str, error: str, retry_at: datetime | None) -> None:
        outcome = {"state": JobState.WAITING, "run_at": retry_at} if retry_at else {"state": JobState.FAILED}
        await self._change(job, owner, error=error[:200], lease_owner=None, lease_until=None, **outcome)

    async def _change(self, job: JobId, owner: str, **values: object) -> bool:
        """Applies only while the job is still ours."""
        j = t.jobs.c
        async with connected(self.sessions) as session:
            changed = await session.execute(
                update(t.jobs)
                .where(j.id == job, j.lease_owner == owner, j.state == JobState.RUNNING)
                .values(**values)
                .returning(j.id)
            )
            ours = changed.first() is not None
            await session.commit()
        return ours
