"""Jobs: each is done by one worker at a time, and none is forgotten."""

import asyncio
from datetime import datetime, timedelta

import pytest

from application.ports.persistence import JobQueue
from domain.job import Job, JobKind, JobState
from domain.user import UserId
from tests.contracts.stores import Store
from tests.fakes.clock import START

LEASE = timedelta(seconds=30)
ANN, BEN, CLEO = UserId(1), UserId(2), UserId(3)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def add(
    store: Store, key: str, due: datetime = START, owner: UserId | None = None, **payload: object
) -> None:
    async with store.work() as w:
        await w.jobs.add(JobKind.INDEX_DOCUMENT, payload, key, due, owner)
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


class TestTakingTurns:
    """However much one of them wants, every owner gets his turn."""

    async def served(self, store: Store, times: int, since: int = 1) -> list[object]:
        """Whose jobs are claimed, one each second; each is done before the next one."""
        names: list[object] = []
        for second in range(since, since + times):
            job = await store.queue.claim("w1", at(second), LEASE)
            names.append(job and job.payload["name"])
            if job is not None:
                await store.queue.finish(job.id, "w1")
        return names

    async def test_owners_alternate(self, store: Store) -> None:
        for n in range(4):
            await add(store, f"ann:{n}", owner=ANN, name=f"ann {n}")
        for n in range(2):
            await add(store, f"ben:{n}", owner=BEN, name=f"ben {n}")
        await add(store, "cleo:0", owner=CLEO, name="cleo 0")
        assert await self.served(store, 8) == [
            *("ann 0", "ben 0", "cleo 0", "ann 1", "ben 1", "ann 2", "ann 3"),
            None,
        ]

    async def test_who_comes_later_waits_for_one_job_of_each_other(self, store: Store) -> None:
        for n in range(9):
            await add(store, f"ann:{n}", owner=ANN, name=f"ann {n}")
        assert await self.served(store, 2) == ["ann 0", "ann 1"]
        await add(store, "ben:0", at(2), owner=BEN, name="ben 0")
        assert await self.served(store, 3, since=3) == ["ann 2", "ben 0", "ann 3"]

    async def test_jobs_of_nobody_keep_their_order(self, store: Store) -> None:
        for n in range(3):
            await add(store, f"job:{n}", name=n)
        assert await self.served(store, 3) == [0, 1, 2]

    async def test_no_more_than_so_many_at_once_of_one(self, store: Store) -> None:
        for n in range(3):
            await add(store, f"ann:{n}", owner=ANN, name=f"ann {n}")
        await add(store, "ben:0", at(1), owner=BEN, name="ben 0")

        async def next_one(second: float) -> Job | None:
            return await store.queue.claim("w1", at(second), LEASE, at_once=2)

        first, second, third = await next_one(2), await next_one(2.1), await next_one(2.2)
        assert await next_one(2.3) is None
        claims = {str(job.payload["name"]): job for job in (first, second, third) if job}
        assert claims.keys() == {"ann 0", "ann 1", "ben 0"}
        await store.queue.finish(claims["ann 0"].id, "w1")
        last = await next_one(2.4)
        assert last is not None
        assert last.payload["name"] == "ann 2"

    async def test_a_lapsed_lease_counts_no_more(self, store: Store) -> None:
        await add(store, "ann:0", owner=ANN, name="killer")
        await claim(store.queue)
        assert await store.queue.claim("w2", at(31), LEASE, at_once=1) is not None

    async def test_of_many_claimers_none_gets_stuck(self, store: Store) -> None:
        for owner in (ANN, BEN):
            for n in range(10):
                await add(store, f"{owner}:{n}", owner=owner, name=n)

        async def work(holder: str) -> int:
            done = misses = 0
            while misses < 5:
                job = await store.queue.claim(holder, at(1 + done), LEASE)
                misses = 0 if job else misses + 1
                if job is not None:
                    await store.queue.finish(job.id, holder)
                    done += 1
            return done

        async with asyncio.timeout(30):
            assert sum(await asyncio.gather(*(work(f"w{n}") for n in range(6)))) == 20


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


class TestInAUnitOfWork:
    """What a job does and its end are one transaction."""

    async def test_it_ends_with_all_else(self, store: Store) -> None:
        await add(store, "index:1", owner=ANN, file_id=1)
        job = await claim(store.queue)
        async with store.work() as w:
            assert await w.jobs.is_held(job)
            assert await w.jobs.finish(job)
            assert not await w.jobs.is_held(job)
            await w.commit()
        assert await store.job(job.id) == (JobState.DONE, 1, None)
        assert await store.payload(job.id) == {}
        await store.queue.finish(job.id, job.holder)  # says it once more

    async def test_or_not_at_all(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        async with store.work() as w:
            await w.jobs.finish(job)
        assert await store.job(job.id) == (JobState.RUNNING, 1, None)

    async def test_who_lost_it_ends_nothing(self, store: Store) -> None:
        await add(store, "index:1")
        lost = await claim(store.queue)
        await claim(store.queue, at(31), "w2")
        async with store.work() as w:
            assert not await w.jobs.is_held(lost)
            assert not await w.jobs.finish(lost)
            await w.jobs.progress(lost, 50)
            await w.commit()
        assert await store.job(lost.id) == (JobState.RUNNING, 2, None)

    async def test_nor_does_whose_job_was_cancelled(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        async with store.work() as w:
            assert await w.jobs.is_unfinished("index:1")
            assert not await w.jobs.cancel("index:1", at(1))
            assert not await w.jobs.is_unfinished("index:1")
            assert not await w.jobs.finish(job)
            await w.commit()
        assert (await store.job(job.id))[0] is JobState.CANCELLED


class TestHastening:
    async def due(self, store: Store, seconds: float) -> bool:
        return await store.queue.claim("w1", at(seconds), LEASE) is not None

    async def hasten(self, store: Store, seconds: float, key: str = "erase:1") -> None:
        async with store.work() as w:
            await w.jobs.hasten(key, at(seconds))
            await w.commit()

    async def test_who_waits_is_due_earlier_and_never_later(self, store: Store) -> None:
        await add(store, "erase:1", at(60))
        await self.hasten(store, 5)
        await self.hasten(store, 30)
        assert not await self.due(store, 4)
        assert await self.due(store, 5)

    async def test_nobody_else_is(self, store: Store) -> None:
        await add(store, "erase:10", at(60))
        await self.hasten(store, 0)
        assert not await self.due(store, 59)

    async def test_what_is_being_done_or_over_is_not_begun_again(self, store: Store) -> None:
        await add(store, "erase:1")
        job = await claim(store.queue)
        await self.hasten(store, -60)
        assert not await self.due(store, 1)
        await store.queue.finish(job.id, job.holder)
        await self.hasten(store, -60)
        assert not await self.due(store, 1)


class TestWhatWentWrong:
    """Somebody may have asked others for what he never heard an answer to."""

    async def wrong(self, store: Store, *, cancel: bool = False) -> bool:
        async with store.work() as w:
            if cancel:
                await w.jobs.cancel("index:1", at(40))
            wrong = await w.jobs.went_wrong("index:1")
            await w.commit()
        return wrong

    async def test_is_nothing_with_what_was_never_begun_or_done_at_once(self, store: Store) -> None:
        assert not await self.wrong(store)
        await add(store, "index:1")
        assert not await self.wrong(store)
        job = await claim(store.queue)
        assert not await self.wrong(store)
        await store.queue.finish(job.id, job.holder)
        assert not await self.wrong(store)
        await add(store, "index:1")
        assert not await self.wrong(store, cancel=True)

    async def test_a_try_that_was_cancelled(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        assert await self.wrong(store, cancel=True)
        await store.queue.let_go(job.id, job.holder)
        await add(store, "index:10")
        assert await self.wrong(store)

    async def test_a_try_that_was_lost_whoever_did_it_then(self, store: Store) -> None:
        await add(store, "index:1")
        await claim(store.queue)
        job = await claim(store.queue, at(31), "w2")
        assert await self.wrong(store)
        await store.queue.finish(job.id, job.holder)
        assert await self.wrong(store)

    async def test_a_try_that_has_failed(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        await store.queue.fail(job.id, job.holder, "KnowledgeTimeout", at(2))
        assert await self.wrong(store, cancel=True)


class TestLettingGo:
    async def cancel(self, store: Store, second: float) -> bool:
        async with store.work() as w:
            idle = await w.jobs.cancel("index:1", at(second))
            await w.commit()
        return idle

    async def test_nobody_waits_for_a_cancelled_job_that_is_in_no_hands(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        assert not await self.cancel(store, 1)
        await store.queue.let_go(job.id, "somebody else")
        assert not await self.cancel(store, 2)
        await store.queue.let_go(job.id, job.holder)
        assert await self.cancel(store, 3)
        assert (await store.job(job.id))[0] is JobState.CANCELLED

    @pytest.mark.parametrize("end", ["finish", "fail"])
    async def test_who_comes_to_its_end_just_then_has_let_it_go(self, store: Store, end: str) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        assert not await self.cancel(store, 1)
        if end == "finish":
            await store.queue.finish(job.id, job.holder)
        else:
            await store.queue.fail(job.id, job.holder, "BadFile", at(2))
        assert await self.cancel(store, 3)
        assert (await store.job(job.id))[0] is JobState.CANCELLED

    async def test_what_was_not_cancelled_stays_in_our_hands(self, store: Store) -> None:
        await add(store, "index:1")
        job = await claim(store.queue)
        await store.queue.let_go(job.id, job.holder)
        assert await store.queue.renew(job.id, job.holder, at(60))


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
