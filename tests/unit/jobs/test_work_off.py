import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from application.jobs.work_off import LEASE, WorkOff
from domain.document import BadFile
from domain.job import MAX_ATTEMPTS, Job, JobId, JobKind, JobState
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeJobMetrics
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory, JobRow
from tests.fakes.wakeup import FakeWakeup


@dataclass(frozen=True)
class OnceBroken(FakeJobQueue):
    """The first renewal meets a bug."""

    broken: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    async def renew(self, job: JobId, holder: str, lease_until: datetime) -> bool:
        if not self.broken.is_set():
            self.broken.set()
            raise ValueError("a bug")
        return await super().renew(job, holder, lease_until)


@dataclass(eq=False)
class Shop:
    """A queue and workers who do what `do` says."""

    do: Callable[[Job], Awaitable[None]] | None = None
    done: list[tuple[dict[str, object], bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase()
        self.queue = FakeJobQueue(self.database)
        self.wakeup = FakeWakeup()
        self.metrics = FakeJobMetrics()

    def worker(self, name: str = "w1", renew_s: float = 10) -> WorkOff:
        async def do(job: Job) -> None:
            self.done.append((job.payload, job.is_last_try))
            if self.do is not None:
                await self.do(job)

        return WorkOff(
            queue=self.queue,
            wakeup=self.wakeup,
            clock=self.clock,
            doing={JobKind.INDEX_DOCUMENT: do},
            worker=name,
            metrics=self.metrics,
            renew_s=renew_s,
            look_every_s=0.01,
        )

    async def add(self, **payload: object) -> None:
        async with FakeWorkFactory(self.database)() as w:
            await w.jobs.add(JobKind.INDEX_DOCUMENT, payload, repr(payload), self.clock.now())
            await w.commit()

    @property
    def row(self) -> JobRow:
        (row,) = self.database.tables.jobs.values()
        return row


@pytest.fixture
def shop() -> Shop:
    return Shop()


@asynccontextmanager
async def working(worker: WorkOff) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.forever())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.001)


class TestOne:
    async def test_does_a_job_and_finishes_it(self, shop: Shop) -> None:
        await shop.add(file_id=7)
        assert await shop.worker().one()
        assert shop.done == [({"file_id": 7}, False)]
        assert shop.row.state is JobState.DONE
        assert not await shop.worker().one()
        assert shop.metrics.tries == [(JobKind.INDEX_DOCUMENT, "done")]

    @pytest.mark.parametrize("error", [BadFile(), KeyError("a bug")])
    async def test_a_failed_job_is_tried_again_later_and_later(self, shop: Shop, error: Exception) -> None:
        async def fail(job: Job) -> None:
            raise error

        shop.do = fail
        await shop.add(n=1)
        worker = shop.worker()
        for delay in (2, 4, 8):
            assert await worker.one()
            assert shop.row.state is JobState.WAITING
            assert shop.row.error == type(error).__name__
            shop.clock.pass_(timedelta(seconds=delay - 1))
            assert not await worker.one()
            shop.clock.pass_(timedelta(seconds=1))

    async def test_the_last_try_knows_it_and_fails_for_good(self, shop: Shop) -> None:
        async def fail(job: Job) -> None:
            raise BadFile

        shop.do = fail
        await shop.add(n=1)
        worker = shop.worker()
        for _ in range(MAX_ATTEMPTS):
            assert await worker.one()
            shop.clock.pass_(timedelta(minutes=10))
        assert [last for _, last in shop.done] == [False] * (MAX_ATTEMPTS - 1) + [True]
        assert shop.row.state is JobState.FAILED
        assert not await worker.one()
        assert [outcome for _, outcome in shop.metrics.tries] == ["failed"] * (MAX_ATTEMPTS - 1) + [
            "given_up"
        ]

    async def test_a_job_that_kills_its_workers_is_given_up(self, shop: Shop) -> None:
        await shop.add(n=1)
        for _ in range(MAX_ATTEMPTS):
            await shop.queue.claim("killed", shop.clock.now(), LEASE)
            shop.clock.pass_(LEASE + timedelta(seconds=1))
        worker, told = shop.worker(), []

        async def give_up(job: Job) -> None:
            told.append(job.payload)

        object.__setattr__(worker, "giving_up", {shop.row.kind: give_up})
        assert await worker.one()
        assert shop.done == []
        assert shop.row.state is JobState.FAILED
        assert told == [{"n": 1}]
        assert shop.metrics.tries == [(JobKind.INDEX_DOCUMENT, "given_up")]

    async def test_a_bug_at_the_last_try_is_told_too(self, shop: Shop) -> None:
        await shop.add(n=1)
        worker, told = shop.worker(), []

        async def give_up(job: Job) -> None:
            told.append(job.payload)

        async def stumble(job: Job) -> None:
            raise MemoryError

        object.__setattr__(worker, "giving_up", {shop.row.kind: give_up})
        object.__setattr__(worker, "doing", {JobKind(shop.row.kind): stumble})
        for _ in range(MAX_ATTEMPTS):
            assert await worker.one()
            shop.clock.pass_(timedelta(hours=1))
        assert shop.row.state is JobState.FAILED
        assert told == [{"n": 1}]

    async def test_of_another_kind_is_left_to_who_does_it(self, shop: Shop) -> None:
        await shop.add(n=1)
        worker = shop.worker()
        object.__setattr__(worker, "doing", {})
        assert not await worker.one()
        assert (shop.row.state, shop.row.attempts) == (JobState.WAITING, 0)


class TestLease:
    async def test_is_kept_while_the_work_lasts(self, shop: Shop) -> None:
        free = asyncio.Event()

        async def last(job: Job) -> None:
            await free.wait()

        shop.do = last
        await shop.add(n=1)
        doing = asyncio.create_task(shop.worker(renew_s=0.005).one())
        for _ in range(4):
            await until(lambda: shop.row.lease_until and shop.row.lease_until > shop.clock.now())
            shop.clock.pass_(timedelta(seconds=20))
            await until(lambda: shop.row.lease_until == shop.clock.now() + LEASE)
        assert not await shop.worker("w2").one()
        free.set()
        assert await doing
        assert shop.row.state is JobState.DONE

    async def test_is_kept_also_after_a_bug_in_renewing_it(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        free = asyncio.Event()

        async def last(job: Job) -> None:
            await free.wait()

        shop.do = last
        shop.queue = OnceBroken(shop.database)
        await shop.add(n=1)
        doing = asyncio.create_task(shop.worker(renew_s=0.005).one())
        await until(lambda: "could not be renewed" in caplog.text)
        shop.clock.pass_(timedelta(seconds=20))
        await until(lambda: shop.row.lease_until == shop.clock.now() + LEASE)
        free.set()
        assert await doing

    async def test_that_is_lost_ends_the_work_and_settles_nothing(self, shop: Shop) -> None:
        cancelled = asyncio.Event()

        async def last(job: Job) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        shop.do = last
        await shop.add(n=1)
        doing = asyncio.create_task(shop.worker(renew_s=0.02).one())
        await until(lambda: shop.done)
        shop.clock.pass_(LEASE + timedelta(seconds=1))
        taken = await shop.queue.claim("w2", shop.clock.now(), LEASE)
        assert await doing
        assert cancelled.is_set()
        assert taken is not None
        assert (shop.row.state, shop.row.holder) == (JobState.RUNNING, "w2")

    async def test_of_a_cancelled_job_is_given_back_as_soon_as_the_work_has_ended(self, shop: Shop) -> None:
        async def last(job: Job) -> None:
            await asyncio.Event().wait()

        shop.do = last
        await shop.add(n=1)
        doing = asyncio.create_task(shop.worker(renew_s=0.02).one())
        await until(lambda: shop.done)
        async with FakeWorkFactory(shop.database)() as w:
            assert not await w.jobs.cancel(shop.row.dedup_key, shop.clock.now())
            await w.commit()
        assert await doing
        assert (shop.row.state, shop.row.lease_until) == (JobState.CANCELLED, None)

    async def test_is_looked_at_when_doubt_is_cast(self, shop: Shop) -> None:
        """Long before it is renewed; who still holds his goes on."""
        free = asyncio.Event()

        async def last(job: Job) -> None:
            await free.wait()

        shop.do = last
        worker = shop.worker(renew_s=3600)
        for n in range(2):
            await shop.add(n=n)
        doing = [asyncio.create_task(worker.one()) for _ in range(2)]
        await until(lambda: len(shop.done) == 2)
        cancelled, other = shop.database.tables.jobs
        async with FakeWorkFactory(shop.database)() as w:
            await w.jobs.cancel(repr({"n": 0}), shop.clock.now())
            await w.commit()
        shop.clock.pass_(timedelta(seconds=20))
        worker.doubt.cast()
        await until(lambda: any(task.done() for task in doing))
        rows = shop.database.tables.jobs
        assert (rows[cancelled].state, rows[cancelled].lease_until) == (JobState.CANCELLED, None)
        await until(lambda: shop.database.tables.jobs[other].lease_until == shop.clock.now() + LEASE)
        free.set()
        await asyncio.gather(*doing)
        assert shop.database.tables.jobs[other].state is JobState.DONE

    async def test_survives_an_outage_between_two_renewals(self, shop: Shop) -> None:
        free = asyncio.Event()

        async def last(job: Job) -> None:
            await free.wait()

        shop.do = last
        await shop.add(n=1)
        doing = asyncio.create_task(shop.worker(renew_s=0.005).one())
        await until(lambda: shop.done)
        shop.database.down = True
        await asyncio.sleep(0.02)
        shop.database.down = False
        shop.clock.pass_(timedelta(seconds=20))
        await until(lambda: shop.row.lease_until == shop.clock.now() + LEASE)
        free.set()
        assert await doing
        assert shop.row.state is JobState.DONE

    async def test_of_a_worker_that_is_stopped_lapses(self, shop: Shop) -> None:
        async def last(job: Job) -> None:
            await asyncio.Event().wait()

        shop.do = last
        await shop.add(n=1)
        async with working(shop.worker()):
            await until(lambda: shop.done)
        assert shop.row.state is JobState.RUNNING
        shop.do = None
        shop.clock.pass_(LEASE + timedelta(seconds=1))
        assert await shop.worker("w2").one()
        assert (shop.row.state, shop.row.attempts) == (JobState.DONE, 2)


class TestForever:
    async def test_works_the_queue_off_and_waits_for_more(self, shop: Shop) -> None:
        for n in range(3):
            await shop.add(n=n)
        async with working(shop.worker()):
            await until(lambda: len(shop.done) == 3)
            await shop.add(n=3)
            await shop.wakeup.ring()
            await until(lambda: len(shop.done) == 4)

    async def test_survives_an_outage(self, shop: Shop) -> None:
        shop.database.down = True
        async with working(shop.worker()):
            await asyncio.sleep(0.02)
            shop.database.down = False
            await shop.add(n=1)
            await until(lambda: shop.done)

    async def test_two_share_the_work(self, shop: Shop) -> None:
        async def take_a_while(job: Job) -> None:
            await asyncio.sleep(0.005)

        shop.do = take_a_while
        for n in range(10):
            await shop.add(n=n)
        async with working(shop.worker("w1")), working(shop.worker("w2")):
            await until(lambda: all(not row.unfinished for row in shop.database.tables.jobs.values()))
        assert sorted(str(payload["n"]) for payload, _ in shop.done) == [str(n) for n in range(10)]
