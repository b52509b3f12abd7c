"""What workers share about running replies: one at a time per session, and copies of what was said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.heartbeat import heartbeat
from adapters.redis.replies import UNBOUND_LIFE_S, RedisReplyLogs, RedisRuns
from application.ports.replies import Batch, ReplyLogs, Run, Runs, SessionBusy
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from tests.conftest import Valkey
from tests.fakes.replies import FakeCluster, FakeReplyLogs

ONE, TWO = SessionId(1), SessionId(2)
QUESTION, OTHER = MessageId(7), MessageId(9)


class Cluster(Protocol):
    """Workers that live, die, and share a store that can be emptied."""

    async def worker(self, name: str) -> Runs: ...

    async def die(self, name: str) -> None: ...

    async def flush(self) -> None: ...


class MemoryCluster(Cluster):
    def __init__(self) -> None:
        self._cluster = FakeCluster()

    @override
    async def worker(self, name: str) -> Runs:
        return self._cluster.worker(name)

    @override
    async def die(self, name: str) -> None:
        self._cluster.die(name)

    @override
    async def flush(self) -> None:
        self._cluster.flush()


class RedisCluster(Cluster):
    def __init__(self, redis: Redis, url: str) -> None:
        self._redis = redis
        self._url = url
        self._hearts: dict[str, AbstractContextManager[None]] = {}

    @override
    async def worker(self, name: str) -> Runs:
        heart = self._hearts[name] = heartbeat(self._url, name)
        await asyncio.to_thread(heart.__enter__)
        return RedisRuns(self._redis, name)

    @override
    async def die(self, name: str) -> None:
        await asyncio.to_thread(self._hearts.pop(name).__exit__, None, None, None)

    @override
    async def flush(self) -> None:
        await self._redis.flushdb()
        await asyncio.sleep(0.002)  # fences begin anew with the time of day
        for name in self._hearts:  # as the next beat would
            await self._redis.set(f"worker:{name}", "1", ex=2)

    async def end(self) -> None:
        for name in list(self._hearts):
            await self.die(name)


@pytest.fixture
async def cluster(kind: str, redis: Redis, valkey: Valkey) -> AsyncIterator[Cluster]:
    if kind == "memory":
        yield MemoryCluster()
        return
    real = RedisCluster(redis, valkey.url)
    yield real
    await real.end()


@pytest.fixture
async def ours(cluster: Cluster) -> Runs:
    return await cluster.worker("ours")


@pytest.fixture
async def theirs(cluster: Cluster) -> Runs:
    return await cluster.worker("theirs")


class TestClaiming:
    async def test_a_free_session_is_ours(self, ours: Runs) -> None:
        run, abandoned = await ours.claim(ONE)
        assert abandoned is None
        assert (run.session, run.worker, run.message) == (ONE, "ours", None)
        assert await ours.of(ONE) == (run, True)
        assert await ours.of(TWO) is None

    async def test_a_taken_one_is_busy_also_for_ourselves(self, ours: Runs, theirs: Runs) -> None:
        run, _ = await ours.claim(ONE)
        bound = await ours.bind(run, QUESTION)
        for runs in (theirs, ours):
            with pytest.raises(SessionBusy) as busy:
                await runs.claim(ONE)
            assert busy.value.run == bound
        await theirs.claim(TWO)

    async def test_of_many_at_once_one_gets_it(self, ours: Runs, theirs: Runs) -> None:
        async def claim(runs: Runs) -> bool:
            try:
                await runs.claim(ONE)
            except SessionBusy:
                return False
            return True

        assert sum(await asyncio.gather(*(claim(runs) for runs in [ours, theirs] * 10))) == 1

    async def test_fences_grow_over_all_sessions(self, ours: Runs, theirs: Runs) -> None:
        fences = []
        for runs, session in ((ours, ONE), (theirs, TWO), (ours, SessionId(3))):
            run, _ = await runs.claim(session)
            fences.append(run.fence)
        await ours.release(Run(ONE, "ours", fences[0]))
        again, _ = await ours.claim(ONE)
        assert [*fences, again.fence] == sorted({*fences, again.fence})

    async def test_a_dead_workers_place_is_taken_and_his_reply_with_it(
        self, cluster: Cluster, ours: Runs, theirs: Runs
    ) -> None:
        dead, _ = await theirs.claim(ONE)
        dead = await theirs.bind(dead, QUESTION)
        await cluster.die("theirs")
        assert await ours.of(ONE) == (dead, False)
        run, abandoned = await ours.claim(ONE)
        assert abandoned == dead
        assert await ours.of(ONE) == (run, True)

    async def test_of_many_who_take_a_dead_ones_place_one_does(
        self, cluster: Cluster, ours: Runs, theirs: Runs
    ) -> None:
        await theirs.claim(ONE)
        await cluster.die("theirs")
        found = await asyncio.gather(*(ours.claim(ONE) for _ in range(8)), return_exceptions=True)
        assert sum(not isinstance(one, BaseException) for one in found) == 1


class TestHolding:
    async def test_who_was_replaced_holds_nothing_and_changes_nothing(
        self, cluster: Cluster, ours: Runs, theirs: Runs
    ) -> None:
        lost, _ = await theirs.claim(ONE)
        await cluster.die("theirs")
        run, _ = await ours.claim(ONE)
        assert await theirs.lost([lost]) == [lost]
        with pytest.raises(SessionBusy):
            await theirs.bind(lost, OTHER)
        await theirs.release(lost)
        assert await ours.of(ONE) == (run, True)
        assert await ours.lost([run]) == []

    async def test_a_flushed_store_is_told_again_who_answers(
        self, cluster: Cluster, ours: Runs, theirs: Runs
    ) -> None:
        run, _ = await ours.claim(ONE)
        run = await ours.bind(run, QUESTION)
        await cluster.flush()
        assert await ours.of(ONE) is None
        assert await ours.lost([run]) == []
        assert await theirs.of(ONE) == (run, True)

    async def test_after_a_flush_the_first_to_claim_holds_it(
        self, cluster: Cluster, ours: Runs, theirs: Runs
    ) -> None:
        run, _ = await ours.claim(ONE)
        await cluster.flush()
        theirs_now, _ = await theirs.claim(ONE)
        assert theirs_now.fence > run.fence
        assert await ours.lost([run]) == [run]

    async def test_many_are_asked_about_in_one_go(self, cluster: Cluster, ours: Runs, theirs: Runs) -> None:
        runs = [(await ours.claim(SessionId(n)))[0] for n in range(1, 31)]
        runs = [await ours.bind(run, MessageId(run.session + 100)) for run in runs]
        await cluster.flush()
        taken = runs[::7]
        for run in taken:
            await theirs.claim(run.session)
        assert await ours.lost(runs) == taken
        for run in runs:
            found = await ours.of(run.session)
            assert found is not None
            assert found[1]
            assert (found[0] == run) is (run not in taken)

    async def test_none_are_asked_about_for_nothing(self, ours: Runs) -> None:
        assert await ours.lost([]) == []


class TestReleasing:
    async def test_frees_the_session(self, ours: Runs, theirs: Runs) -> None:
        run, _ = await ours.claim(ONE)
        await ours.release(await ours.bind(run, QUESTION))
        assert await ours.of(ONE) is None
        taken, abandoned = await theirs.claim(ONE)
        assert abandoned is None
        await ours.release(run)  # late, and no longer ours
        assert await theirs.of(ONE) == (taken, True)


@pytest.fixture
def logs(kind: str, redis: Redis) -> ReplyLogs:
    return FakeReplyLogs() if kind == "memory" else RedisReplyLogs(redis)


class TestLogs:
    async def test_give_the_events_after_a_number_in_order(self, logs: ReplyLogs) -> None:
        await logs.append([Batch(QUESTION, 1, [b'{"a":1}', b'{"b":2}']), Batch(OTHER, 1, [b"x"])])
        await logs.append([Batch(QUESTION, 3, ['{"c":"\\u2028 é"}'.encode()])])
        expected = [b'{"a":1}', b'{"b":2}', '{"c":"\\u2028 é"}'.encode()]
        for after in range(5):
            assert list(await logs.read(QUESTION, after)) == expected[after:]
        assert list(await logs.read(OTHER)) == [b"x"]
        assert list(await logs.read(MessageId(404))) == []

    async def test_added_twice_count_once(self, logs: ReplyLogs) -> None:
        await logs.append([Batch(MessageId(7), 1, [b"one", b"two"])])
        await logs.append([Batch(MessageId(7), 1, [b"one", b"two", b"three"])])
        await logs.append([Batch(MessageId(7), 3, [b"three", b"four"])])
        assert await logs.read(MessageId(7)) == [b"one", b"two", b"three", b"four"]
        assert await logs.read(MessageId(7), after=2) == [b"three", b"four"]

    async def test_a_second_try_may_carry_more_or_less(self, logs: ReplyLogs) -> None:
        """After an answer that never came nobody knows what arrived."""
        id = MessageId(7)
        for first, frames in (
            (1, [b"1", b"2"]),
            (1, [b"1", b"2", b"3"]),
            (2, [b"2"]),
            (3, [b"3", b"4", b"5"]),
        ):
            assert not await logs.append([Batch(id, first, frames)])
        for after in range(6):
            assert list(await logs.read(id, after)) == [b"1", b"2", b"3", b"4", b"5"][after:]

    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=12))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_however_often_the_same_is_added_it_is_read_once(
        self, logs: ReplyLogs, tries: list[tuple[int, int]]
    ) -> None:
        await logs.forget([QUESTION])
        whole = [str(n).encode() for n in range(1, 30)]
        there = 0
        for begins, length in tries:
            first = min(begins, there)
            assert not await logs.append([Batch(QUESTION, first + 1, whole[first : first + length])])
            there = max(there, first + length)
            assert list(await logs.read(QUESTION)) == whole[:there]
            assert list(await logs.read(QUESTION, begins)) == whole[begins:there]

    async def test_whose_beginning_is_gone_are_told_and_take_nothing(self, logs: ReplyLogs) -> None:
        await logs.append([Batch(OTHER, 1, [b"x"])])
        gone = await logs.append([Batch(QUESTION, 3, [b"3"]), Batch(OTHER, 2, [b"y"])])
        assert set(gone) == {QUESTION}
        assert list(await logs.read(QUESTION)) == []
        assert list(await logs.read(OTHER)) == [b"x", b"y"]
        assert not await logs.append([Batch(QUESTION, 1, [b"1", b"2", b"3"])])
        assert list(await logs.read(QUESTION)) == [b"1", b"2", b"3"]

    async def test_take_nothing_behind_the_end(self, logs: ReplyLogs) -> None:
        """Who took a worker for dead ended the reply; the worker was only asleep, and goes on."""
        await logs.append([Batch(QUESTION, 1, [b"1", b"2"])])
        await logs.append([Batch(QUESTION, 3, [b"error", b"complete"], ends=True)])
        for late in (
            Batch(QUESTION, 3, [b"3"]),
            Batch(QUESTION, 3, [b"3", b"4", b"5", b"6"]),
            Batch(QUESTION, 5, [b"5"]),
            Batch(QUESTION, 3, [b"3", b"finished", b"complete"], ends=True),
        ):
            assert not await logs.append([late])
        assert list(await logs.read(QUESTION)) == [b"1", b"2", b"error", b"complete"]
        assert list(await logs.read(QUESTION, 3)) == [b"complete"]
        assert list(await logs.read(QUESTION, 4)) == []
        assert await logs.news({QUESTION: 4}) == {}

    async def test_the_end_told_twice_is_one_end(self, logs: ReplyLogs) -> None:
        for _ in range(2):
            assert not await logs.append([Batch(QUESTION, 1, [b"1", b"finished", b"complete"], ends=True)])
        assert list(await logs.read(QUESTION)) == [b"1", b"finished", b"complete"]

    async def test_news_of_many_come_in_one_go(self, logs: ReplyLogs) -> None:
        assert await logs.news({}) == {}
        await logs.append([Batch(MessageId(n), 1, [b"a", b"b"]) for n in range(1, 51)])
        found = await logs.news({MessageId(n): n % 4 for n in range(1, 61)})
        assert {id: list(fresh) for id, fresh in found.items()} == {
            MessageId(n): [b"a", b"b"][n % 4 :] for n in range(1, 51) if n % 4 < 2
        }

    async def test_remember_under_which_numbers_an_end_was_told(self, logs: ReplyLogs) -> None:
        await logs.tell_end(QUESTION, 4)
        await logs.tell_end(QUESTION, 6)
        told = [n for n in range(10) if await logs.end_was_told(QUESTION, n)]
        assert told == [4, 6]
        assert not await logs.end_was_told(OTHER, 4)

    async def test_that_are_forgotten_leave_nothing(self, logs: ReplyLogs) -> None:
        assert await logs.forget([]) == 0
        await logs.append([Batch(QUESTION, 1, [b"1"], ends=True), Batch(OTHER, 1, [b"1"])])
        await logs.tell_end(QUESTION, 1)
        await logs.tell_end(MessageId(404), 1)
        assert await logs.forget([QUESTION, QUESTION, MessageId(404)]) == 1
        assert list(await logs.read(QUESTION)) == []
        assert not await logs.end_was_told(QUESTION, 1)
        assert not await logs.end_was_told(MessageId(404), 1)
        assert list(await logs.read(OTHER)) == [b"1"]
        assert not await logs.append([Batch(QUESTION, 1, [b"anew"])])
        assert list(await logs.read(QUESTION)) == [b"anew"]

    async def test_are_kept_for_a_while_after_the_end(self, logs: ReplyLogs) -> None:
        await logs.append([Batch(QUESTION, 1, [b"{}"])])
        await logs.expire(QUESTION)
        await logs.expire(MessageId(404))
        assert list(await logs.read(QUESTION)) == [b"{}"]

    async def test_many_replies_go_in_one_go(self, logs: ReplyLogs) -> None:
        await logs.append([Batch(MessageId(n), 1, [str(n).encode()]) for n in range(1, 51)])
        assert [list(await logs.read(MessageId(n))) for n in (1, 50)] == [[b"1"], [b"50"]]


class TestInRedis:
    async def test_everything_expires(self, redis: Redis) -> None:
        logs, runs = RedisReplyLogs(redis), RedisRuns(redis, "ours")
        run, _ = await runs.claim(ONE)
        await runs.bind(run, QUESTION)
        await logs.append([Batch(QUESTION, 1, [b"{}"])])
        assert 3590 < await redis.ttl("chat:run:1") <= 3600
        assert 3590 < await redis.ttl("chat:events:7") <= 3600
        await logs.expire(QUESTION)
        assert 590 < await redis.ttl("chat:events:7") <= 600

    async def test_what_is_added_prolongs_nothing(self, redis: Redis) -> None:
        """A copy that nobody ever ends is gone an hour after its beginning."""
        logs = RedisReplyLogs(redis)
        await logs.append([Batch(QUESTION, 1, [b"{}"])])
        await redis.expire("chat:events:7", 100)
        await logs.append([Batch(QUESTION, 2, [b"{}"])])
        assert await redis.ttl("chat:events:7") <= 100

    async def test_a_copy_that_missed_its_beginning_is_none(self, redis: Redis) -> None:
        await RedisReplyLogs(redis).append([Batch(QUESTION, 5, [b"{}"])])  # a flush took the rest
        assert await redis.keys() == []

    async def test_a_copy_with_a_gap_is_read_up_to_the_gap(self, redis: Redis) -> None:
        logs = RedisReplyLogs(redis)
        await logs.append([Batch(QUESTION, 1, [b"1", b"2"])])
        await logs.append([Batch(QUESTION, 4, [b"4"])])
        await logs.append([Batch(QUESTION, 5, [b"5", b"complete"], ends=True)])
        assert await logs.read(QUESTION) == [b"1", b"2"]
        assert await logs.read(QUESTION, 2) == []
        assert await logs.read(QUESTION, 3) == [b"4", b"5", b"complete"]

    async def test_that_an_end_was_told_is_known_for_ten_minutes(self, redis: Redis) -> None:
        logs = RedisReplyLogs(redis)
        await logs.tell_end(QUESTION, 3)
        assert 590 < await redis.ttl("chat:ends:7") <= 600
        await logs.append([Batch(QUESTION, 1, [b"{}"])])
        assert await logs.forget([QUESTION]) == 1
        assert await redis.keys() == []

    async def test_keeping_runs_alive_prolongs_them(self, redis: Redis) -> None:
        runs = RedisRuns(redis, "ours")
        run, _ = await runs.claim(ONE)
        run = await runs.bind(run, QUESTION)
        await redis.expire("chat:run:1", 100)
        assert await runs.lost([run]) == []
        assert await redis.ttl("chat:run:1") > 3590
        await redis.delete("chat:run:1")
        assert await runs.lost([run]) == []
        assert await redis.ttl("chat:run:1") > 3590

    async def test_a_worker_beats_until_it_ends(self, redis: Redis, valkey: Valkey) -> None:
        with heartbeat(valkey.url, "w"):
            assert await redis.ttl("worker:w") in (1, 2)
            await redis.delete("worker:w")
            await asyncio.sleep(0.8)
            assert await redis.exists("worker:w")
        assert not await redis.exists("worker:w")


class TestOutage:
    async def test_is_told(self, kind: str, no_redis: Redis) -> None:
        runs: Runs = RedisRuns(no_redis, "ours")
        logs: ReplyLogs = RedisReplyLogs(no_redis)
        if kind == "memory":
            cluster = FakeCluster(down=True)
            runs, logs = cluster.worker("ours"), FakeReplyLogs(down=True)
        run = Run(ONE, "ours", 1)
        for ask in (
            runs.claim(ONE),
            runs.bind(run, QUESTION),
            runs.lost([run]),
            runs.release(run),
            runs.of(ONE),
            logs.append([Batch(QUESTION, 1, [b"{}"])]),
            logs.read(QUESTION),
            logs.news({QUESTION: 0}),
            logs.expire(QUESTION),
            logs.tell_end(QUESTION, 1),
            logs.end_was_told(QUESTION, 1),
            logs.forget([QUESTION]),
        ):
            with pytest.raises(StorageUnavailable):
                await ask


async def test_a_claim_whose_answer_was_lost_blocks_its_session_for_seconds_only(redis: Redis) -> None:
    """Nobody binds it: it lapses although its worker lives."""
    runs = RedisRuns(redis, "ours")
    run, _ = await runs.claim(SessionId(1))
    assert 0 < await redis.ttl("chat:run:1") <= UNBOUND_LIFE_S
    await redis.delete("chat:run:1")  # as when it lapsed just before

    await runs.bind(run, MessageId(7))
    assert await redis.ttl("chat:run:1") > UNBOUND_LIFE_S
    assert await runs.of(SessionId(1)) is not None
