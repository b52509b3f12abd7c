"""Jobs: each is done by one worker at a time, and none is forgotten."""

import asyncio
from datetime import datetime, timedelta

from application.ports.persistence import JobQueue
from domain.job import Job, JobKind, JobState
from tests.contracts.stores import Store
from tests.fakes.clock import START

LEASE = timedelta(seconds=30)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def add(store: Store, key: str, due: datetime = START, **payload: object) -> None:
    async with store.work() as w:
        await w.jobs.add(JobKind.INDEX_DOCUMENT, payload, key, due)
        await w.commit()


async def claim(queue: JobQueue, now: datetime = START, owner: str = "w1") -> Job:
    job = await queue.claim(owner, now, LEASE)
    assert job is not None
    return job


class TestAdding:
    async def test_there_is_one_unfinished_job_per_key(self, store: Store) -> None:
        await add(store, "index:1", n=1)
        await add(store, "index:1", n=2)
        job = await claim(store.queue)
        await add(store, "index:1", n=3)  # running is unfinished, too
        assert job.payload == {"n": 1}
        assert await store.queue.claim("w2", at(1), LEASE) is None

    async def test_a_finished_one_makes_room(self, store: Store) -> None:
        for outcome in ("done", "failed"):
            await add(store, "index:1", outcome=outcome)
            job = await claim(store.queue)
            assert job.payload == {"outcome": outcome}
            if outcome == "done":
                await store.queue.finish(job.id, "w1")
            else:
                await store.queue.fail(job.id, "w1", "BadFile", None)
        await add(store, "index:1", outcome="again")
        assert (await claim(store.queue)).payload == {"outcome": "again"}

    async def test_of_many_who_add_it_at_once_one_does(self, store: Store) -> None:
        await asyncio.gather(*(add(store, "index:1", n=n) for n in range(8)))
        await claim(store.queue)
        assert await store.queue.claim("w2", at(1), LEASE) is None


class TestClaiming:
    async def test_nothing_to_do_is_none(self, store: Store) -> None:
        assert await store.queue.claim("w1", START, LEASE) is None

    async def test_gives_the_one_due_first_with_all_it_needs(self, store: Store) -> None:
        await add(store, "later", at(5))
        await add(store, "first", at(1), file_id=7, name="文档")
        await add(store, "second", at(1))

        assert await store.queue.claim("w1", START, LEASE) is None
        job = await claim(store.queue, at(9))

        assert (job.kind, job.payload) == ("index_document", {"file_id": 7, "name": "文档"})
        assert (job.attempts, job.lease_until) == (1, at(39))
        assert await store.job(job.id) == (JobState.RUNNING, 1, None)
        second, later = await claim(store.queue, at(9)), await claim(store.queue, at(9))
        assert job.id < second.id
        assert later.id < job.id

    async def test_gives_only_the_kinds_that_are_asked_for(self, store: Store) -> None:
        async with store.work() as w:
            await w.jobs.add(JobKind.SEND_MAIL, {}, "mail:1", START)
            await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, "index:1", at(1))
            await w.commit()
        assert await store.queue.claim("w1", at(2), LEASE, {JobKind.EXPORT_ACCOUNT}) is None
        assert await store.queue.claim("w1", at(2), LEASE, ()) is None
        job = await store.queue.claim("w1", at(2), LEASE, {JobKind.INDEX_DOCUMENT, JobKind.EXPORT_ACCOUNT})
        assert job is not None
        assert job.kind == JobKind.INDEX_DOCUMENT
        assert (await claim(store.queue, at(2))).kind == JobKind.SEND_MAIL

    async def test_parallel_claimers_get_each_job_once(self, store: Store) -> None:
        for n in range(20):
            await add(store, f"index:{n}")

        async def work(owner: str) -> list[int]:
            mine: list[int] = []
            misses = 0
            while misses < 3:
                job = await store.queue.claim(owner, at(1), LEASE)
                if job is None:  # perhaps the others held what is left
                    misses += 1
                else:
                    mine.append(job.id)
            return mine

        shares = await asyncio.gather(*(work(f"w{n}") for n in range(6)))
        claimed = [id for share in shares for id in share]
        assert len(claimed) == len(set(claimed)) == 20

    async def test_a_lapsed_lease_is_taken_over(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        assert await store.queue.claim("w2", at(30), LEASE) is None
        again = await claim(store.queue, at(31), "w2")
        assert (again.id, again.attempts) == (job.id, 2)

    async def test_of_many_who_would_take_it_over_one_does(self, store: Store) -> None:
        await add(store, "index:1")
        await claim(store.queue)
        claims = (store.queue.claim(f"w{n}", at(31), LEASE) for n in range(8))
        assert sum(job is not None for job in await asyncio.gather(*claims)) == 1


class TestHolding:
    async def test_a_renewed_lease_is_not_taken_over(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        assert await store.queue.renew(job.id, "w1", at(60))
        assert await store.queue.claim("w2", at(45), LEASE) is None

    async def test_who_lost_it_hears_so_and_changes_nothing(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        await claim(store.queue, at(31), "w2")

        assert not await store.queue.renew(job.id, "w1", at(90))
        await store.queue.finish(job.id, "w1")
        await store.queue.fail(job.id, "w1", "Late", at(32))

        assert await store.job(job.id) == (JobState.RUNNING, 2, None)
        assert await store.queue.renew(job.id, "w2", at(90))


class TestSettling:
    async def test_a_finished_job_is_never_given_again(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        await store.queue.finish(job.id, "w1")
        assert await store.job(job.id) == (JobState.DONE, 1, None)
        assert await store.queue.claim("w2", at(9999), LEASE) is None
        assert not await store.queue.renew(job.id, "w1", at(99))

    async def test_a_failed_job_is_due_again_at_its_time(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        await store.queue.fail(job.id, "w1", "KnowledgeUnreachable" + "!" * 300, at(10))
        state, attempts, error = await store.job(job.id)
        assert (state, attempts) == (JobState.WAITING, 1)
        assert error is not None
        assert (error[:20], len(error)) == ("KnowledgeUnreachable", 200)
        assert await store.queue.claim("w2", at(9), LEASE) is None
        assert (await claim(store.queue, at(10), "w2")).attempts == 2

    async def test_without_another_time_it_has_failed_for_good(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        await store.queue.fail(job.id, "w1", "BadFile", None)
        assert await store.job(job.id) == (JobState.FAILED, 1, "BadFile")
        assert await store.queue.claim("w2", at(9999), LEASE) is None
