"""The worker's side of the job table."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from typing_extensions import override

from adapters.sql import mapping as t
from adapters.sql.job_table import SETTLED, changed
from adapters.sql.work import connected, looking
from application.ports.persistence import JobQueue
from domain.job import Job, JobId, JobKind, JobState


@dataclass(frozen=True, slots=True)
class SqlJobQueue(JobQueue):
    sessions: async_sessionmaker[AsyncSession]
    reading: AsyncEngine

    @override
    async def claim(
        self,
        holder: str,
        now: datetime,
        lease: timedelta,
        kinds: Collection[JobKind] = tuple(JobKind),
        at_once: int | None = None,
    ) -> Job | None:
        j = t.jobs.c
        ours = j.kind.in_(sorted(kinds))
        due = or_(
            and_(j.state == JobState.WAITING, j.run_at <= now),
            and_(j.state == JobState.RUNNING, j.lease_until < now),
        )
        if at_once is not None:
            busy = (
                select(j.owner_id)
                .where(ours, j.state == JobState.RUNNING, j.lease_until >= now, j.owner_id.is_not(None))
                .group_by(j.owner_id)
                .having(func.count() >= at_once)
            )
            due = and_(due, or_(j.owner_id.is_(None), j.owner_id.not_in(busy)))
        oldest = select(j.id).where(due, ours).order_by(j.run_at, j.id).limit(1)
        async with looking(self.reading) as db:  # an idle poll takes no write lock
            if (await db.execute(oldest)).first() is None:
                return None
        async with connected(self.sessions) as session:
            claimed = await session.execute(
                update(t.jobs)
                .where(j.id == oldest.with_for_update(skip_locked=True).scalar_subquery())
                .values(
                    state=JobState.RUNNING,
                    lease_owner=holder,
                    lease_until=now + lease,
                    attempts=j.attempts + 1,
                    progress=None,
                )
                .returning(j.id, j.kind, j.payload, j.attempts, j.lease_until, j.owner_id)
            )
            row = claimed.first()
            if row is not None and row.owner_id is not None:
                # what somebody else is just claiming is skipped: two who waited for each other would be stuck
                waiting = (
                    select(j.id)
                    .where(j.owner_id == row.owner_id, ours, j.state == JobState.WAITING, j.run_at < now)
                    .with_for_update(skip_locked=True)
                )
                await session.execute(update(t.jobs).where(j.id.in_(waiting)).values(run_at=now))
            await session.commit()
        if row is None:
            return None
        return Job(JobId(row.id), row.kind, row.payload, row.attempts, row.lease_until, holder)

    @override
    async def renew(self, job: JobId, holder: str, lease_until: datetime) -> bool:
        return await self._change(job, holder, lease_until=lease_until)

    @override
    async def finish(self, job: JobId, holder: str) -> None:
        await self._end(job, holder, **SETTLED)

    @override
    async def let_go(self, job: JobId, holder: str) -> None:
        j = t.jobs.c
        async with connected(self.sessions) as session:
            cancelled = and_(j.id == job, j.lease_owner == holder, j.state == JobState.CANCELLED)
            await session.execute(update(t.jobs).where(cancelled).values(lease_owner=None, lease_until=None))
            await session.commit()

    @override
    async def fail(self, job: JobId, holder: str, error: str, retry_at: datetime | None) -> None:
        outcome = {"state": JobState.WAITING, "run_at": retry_at} if retry_at else {"state": JobState.FAILED}
        nobodys = {"lease_owner": None, "lease_until": None, "progress": None}
        await self._end(job, holder, error=error[:200], **nobodys, **outcome)

    @override
    async def spare(self, kind: JobKind, now: datetime) -> None:
        j = t.jobs.c
        due = and_(j.kind == kind, j.state == JobState.WAITING, j.run_at <= now)
        async with connected(self.sessions) as session:
            await session.execute(update(t.jobs).where(due).values(SETTLED))
            await session.commit()

    @override
    async def forget_settled(self, before: datetime, most: int) -> int:
        j = t.jobs.c
        ended = j.state.in_([JobState.DONE, JobState.FAILED, JobState.CANCELLED])
        nobodys = or_(j.lease_until.is_(None), j.lease_until < before)  # one may be cancelled and still held
        old = select(j.id).where(ended, j.run_at < before, nobodys).limit(most)
        async with connected(self.sessions) as session:
            gone = await session.execute(delete(t.jobs).where(j.id.in_(old)).returning(j.id))
            forgotten = len(gone.all())
            await session.commit()
        return forgotten

    async def _end(self, job: JobId, holder: str, **values: object) -> None:
        if not await self._change(job, holder, **values):
            await self.let_go(job, holder)

    async def _change(self, job: JobId, holder: str, **values: object) -> bool:
        async with connected(self.sessions) as session:
            ours = await changed(session, job, holder, **values)
            await session.commit()
        return ours
