"""Jobs as a unit of work sees them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from adapters.sql import mapping as t
from application.ports.persistence import Jobs
from domain.job import Job, JobId, JobKind, JobState
from domain.user import UserId

UNFINISHED = t.jobs.c.state.in_([JobState.WAITING, JobState.RUNNING])
SETTLED: dict[str, object] = {  # nothing is left of what it was about
    "state": JobState.DONE,
    "payload": {},
    "owner_id": None,
    "lease_owner": None,
    "lease_until": None,
}


@dataclass(frozen=True, slots=True)
class SqlJobs(Jobs):
    session: AsyncSession

    @override
    async def add(
        self,
        kind: JobKind,
        payload: dict[str, object],
        dedup_key: str,
        run_at: datetime,
        owner: UserId | None = None,
    ) -> None:
        dialect = self.session.get_bind().dialect.name
        build = sqlite_insert if dialect == "sqlite" else postgresql_insert
        # spelled out: with parameters PostgreSQL's generic plan does not recognise the partial index
        unfinished = text(f"state IN ('{JobState.WAITING}', '{JobState.RUNNING}')")
        await self.session.execute(
            build(t.jobs)
            .values(
                kind=kind,
                payload=payload,
                dedup_key=dedup_key,
                owner_id=owner,
                state=JobState.WAITING,
                run_at=run_at,
                created_at=run_at,
            )
            .on_conflict_do_nothing(index_elements=[t.jobs.c.dedup_key], index_where=unfinished)
        )

    @override
    async def amend(self, dedup_key: str, payload: dict[str, object]) -> None:
        change = update(t.jobs).where(t.jobs.c.dedup_key == dedup_key, UNFINISHED)
        await self.session.execute(change.values(payload=payload))

    @override
    async def cancel(self, dedup_key: str, now: datetime) -> bool:
        j = t.jobs.c
        await self.session.execute(
            update(t.jobs).where(j.dedup_key == dedup_key, UNFINISHED).values(state=JobState.CANCELLED)
        )
        # a lease outlives the cancellation: its holder learns of it when he renews
        cancelled = and_(j.state == JobState.CANCELLED, j.dedup_key == dedup_key)
        held = select(j.id).where(cancelled, j.lease_until >= now)
        return (await self.session.execute(held.limit(1))).first() is None

    @override
    async def hasten(self, dedup_key: str, run_at: datetime) -> None:
        j = t.jobs.c
        later = and_(j.dedup_key == dedup_key, j.state == JobState.WAITING, j.run_at > run_at)
        await self.session.execute(update(t.jobs).where(later).values(run_at=run_at))

    @override
    async def is_unfinished(self, dedup_key: str) -> bool:
        one = select(t.jobs.c.id).where(t.jobs.c.dedup_key == dedup_key, UNFINISHED)
        return (await self.session.execute(one)).first() is not None

    @override
    async def went_wrong(self, dedup_key: str) -> bool:
        j = t.jobs.c
        broken_off = and_(j.state == JobState.CANCELLED, j.attempts > 0)
        badly = select(j.id).where(j.dedup_key == dedup_key, or_(broken_off, j.attempts > 1))
        return (await self.session.execute(badly.limit(1))).first() is not None

    @override
    async def is_held(self, job: Job) -> bool:
        his = select(t.jobs.c.id).where(held(job.id, job.holder)).with_for_update()
        return (await self.session.execute(his)).first() is not None

    @override
    async def progress(self, job: Job, percent: int) -> None:
        await changed(self.session, job.id, job.holder, progress=percent)

    @override
    async def finish(self, job: Job) -> bool:
        return await changed(self.session, job.id, job.holder, **SETTLED)


def held(job: JobId, holder: str) -> ColumnElement[bool]:
    """The claim still stands."""
    j = t.jobs.c
    return and_(j.id == job, j.lease_owner == holder, j.state == JobState.RUNNING)


async def changed(session: AsyncSession, job: JobId, holder: str, **values: object) -> bool:
    """Applies, and says so, only while the claim stands."""
    change = update(t.jobs).where(held(job, holder)).values(**values).returning(t.jobs.c.id)
    return (await session.execute(change)).first() is not None
