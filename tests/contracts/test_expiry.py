"""What has grown too old, asked of the fake, SQLite and PostgreSQL."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from adapters.sql.administration import SqlActionRecords
from adapters.sql.engine import reading
from adapters.sql.repositories import SqlActionLog
from application.admin.verify_log import Flaw, Verdict, VerifyLog
from application.ports.persistence import System, Target
from application.retention.expire_log import ExpireLog
from application.retention.expire_sessions import ExpireSessions
from domain.conversation import SessionId
from domain.job import JobId, JobKind, JobState
from domain.user import UserId
from tests.builders import a_message, a_stored_session, a_user, an_open_reply
from tests.contracts.stores import SqlStore, Store
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import START, FakeClock
from tests.fakes.replies import FakeReplyLogs
from tests.fakes.wakeup import FakeWakeup

LEASE = timedelta(seconds=30)
DAY = timedelta(days=1)


async def someone(store: Store) -> UserId:
    async with store.work() as w:
        user = a_user()
        w.users.add(user)
        await w.commit()
    return user.id


async def a_talk(store: Store, owner: UserId, used: datetime, *, writing: bool = False) -> SessionId:
    async with store.work() as w:
        session = await a_stored_session(w, owner, now=used)
        w.messages.add(a_message(session.id))
        if writing:
            w.messages.add(an_open_reply(session.id))
        await w.commit()
    return session.id


async def left(store: Store, *ids: SessionId) -> set[SessionId]:
    async with store.work() as w:
        return {id for id in ids if await w.sessions.get(id)}


class TestIdleSessions:
    async def test_are_those_last_used_before_in_which_nothing_is_written(self, store: Store) -> None:
        ann = await someone(store)
        second = await a_talk(store, ann, START - timedelta(seconds=1))
        first = await a_talk(store, ann, START - DAY)
        writing = await a_talk(store, ann, START - DAY, writing=True)
        young = await a_talk(store, ann, START)
        third = await a_talk(store, ann, START - timedelta(seconds=1))
        found = await store.reading.idle_sessions(START, 9)
        assert [(session.id, session.updated_at) for session in found] == [
            (first, START - DAY),
            (second, START - timedelta(seconds=1)),
            (third, START - timedelta(seconds=1)),
        ]
        assert await store.reading.idle_sessions(START, 1) == found[:1]
        for n, last in enumerate(found, 1):
            assert await store.reading.idle_sessions(START, 9, last) == found[n:]
        async with store.work() as w:
            idle = [await w.sessions.is_idle(id, START) for id in (first, second, writing, young)]
        assert idle == [True, True, False, False]

    async def test_go_while_others_are_being_used(self, store: Store) -> None:
        ann, clock = await someone(store), FakeClock(START + 30 * DAY)
        talks = [await a_talk(store, ann, START - DAY) for _ in range(12)]
        used = talks[::2]

        async def use(id: SessionId) -> None:
            async with store.work() as w:
                if await w.sessions.hold(id):
                    await w.sessions.count_message(id, clock.now())
                    await w.commit()

        expire = ExpireSessions(
            work=store.work,
            reading=store.reading,
            calls=FakeCalls(),
            logs=FakeReplyLogs(),
            wakeup=FakeWakeup(),
            clock=clock,
            keep=30 * DAY,
        )
        await asyncio.gather(expire(), *(use(id) for id in used))
        still = await left(store, *talks)
        assert still <= set(used)
        async with store.work() as w:
            for id in still:
                session = await w.sessions.get(id)
                assert session is not None
                assert (session.updated_at, session.message_count) == (clock.now(), 1)


async def test_who_looks_for_idle_sessions_waits_for_nobody_who_writes(sql: SqlStore) -> None:
    talk = await a_talk(sql, await someone(sql), START - DAY)
    async with sql.work(), asyncio.timeout(3):
        (found,) = await sql.reading.idle_sessions(START, 1)
    assert found.id == talk


class TestActionLog:
    async def test_its_oldest_lines_go_up_to_the_first_young_one(self, store: Store) -> None:
        await written(store, -3, -2, 1, -1, 2)
        assert await expire(store, 1) == 1
        assert await expire(store, 9) == 1
        assert await expire(store, 9) == 0
        assert [target for _, _, _, target, *_ in await store.log()] == [3, 4, 5]

    async def test_as_many_go_as_may_and_the_last_line_stays(self, store: Store) -> None:
        await written(store, -5, -4, -3, -2, -1)
        assert await expire(store, 2) == 2
        assert await expire(store, 2) == 2
        assert await expire(store, 2) == 0
        assert [target for _, _, _, target, *_ in await store.log()] == [5]

    async def test_of_its_many_lines_no_more_are_looked_at_than_may_go(self, sqlite_store: SqlStore) -> None:
        await sqlite_store.clear()
        for year in (2000, 2999):
            await _run(
                sqlite_store,
                "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 20000)"
                " INSERT INTO user_action_log (operator_email, role, action, target_user_id, timestamp, hash)"
                f" SELECT 'x', 'admin', 'login', n, '{year}-01-01 00:00:00.000000', 'x' FROM more",
            )
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 100

        async with AsyncSession(sqlite_store.engine) as session:
            sqlite = (await (await session.connection()).get_raw_connection()).driver_connection
            assert sqlite is not None
            await sqlite.set_progress_handler(count, 100)
            assert await SqlActionLog(session).expire(START, 5) == 5
            await sqlite.set_progress_handler(None, 0)
        assert steps < 10_000  # of SQLite's machine, and not several for each line

    async def test_its_last_line_stays_and_the_next_is_chained_to_it(self, sql: SqlStore) -> None:
        await ExpireLog(work=sql.work, clock=FakeClock(START + DAY), keep=DAY)()
        assert await verdict(sql) == Verdict(0, "0" * 64, [], cut_off=False)
        await written(sql, -3, -2, -1)
        await ExpireLog(work=sql.work, clock=FakeClock(START + DAY), keep=None)()
        before = await verdict(sql)
        assert (before.lines, before.expired) == (3, None)

        await ExpireLog(work=sql.work, clock=FakeClock(START + DAY), keep=DAY)()

        after = await verdict(sql, before.head)
        assert (after.sound, after.lines, after.head) == (True, 1, before.head)
        assert after.expired is not None
        assert after.expired.timestamp == START - timedelta(days=2)
        await written(sql, 1, 2)
        assert (await verdict(sql, before.head)).sound
        await ExpireLog(work=sql.work, clock=FakeClock(START + 3 * DAY), keep=2 * DAY)()
        assert ((await verdict(sql)).sound, (await verdict(sql)).lines) == (True, 2)
        assert (await verdict(sql, before.head)).sound  # it is what the first line is chained to

    async def test_what_is_left_is_as_safe_as_before(self, sql: SqlStore) -> None:
        await written(sql, -3, -2, -1, 1, 2)
        assert await expire(sql, 1) == 1
        ids = [id for (id,) in await sql.rows("SELECT id FROM user_action_log ORDER BY id")]
        for statement in (
            f"DELETE FROM user_action_log WHERE id = {ids[0]}",
            "DELETE FROM user_action_log",
            "UPDATE user_action_log SET role = 'x'",
            "UPDATE user_action_log_expired SET line_id = line_id + 3",
            "DELETE FROM user_action_log_expired",
            _note(ids[0], hash="'f'"),
            _note(ids[0], timestamp="'2020-01-01 00:00:00'"),
            _note(ids[0] - 1),  # it is gone
            _note(ids[-1]),
        ):
            with pytest.raises(DBAPIError, match="append-only"):
                await _run(sql, statement)
        found = await verdict(sql)
        assert (found.sound, found.lines) == (True, 4)

    async def test_what_has_expired_does_not_come_back(self, sql: SqlStore) -> None:
        await written(sql, -3, -2, -1, 1, 2)
        again = await sql.rows("SELECT id FROM user_action_log ORDER BY id LIMIT 1")
        assert await expire(sql, 2) == 2
        first = await sql.rows("SELECT id FROM user_action_log ORDER BY id LIMIT 1")
        columns = "operator_email, role, action, target_user_id, timestamp, hash"
        await _run(
            sql,
            f"INSERT INTO user_action_log (id, {columns})"
            f" SELECT {again[0][0]}, {columns} FROM user_action_log WHERE id = {first[0][0]}",
        )
        with pytest.raises(DBAPIError, match="append-only"):
            await _run(sql, _note(again[0][0]))
        found = await verdict(sql)
        assert [(finding.flaw, finding.kept.id) for finding in found.findings] == [
            (Flaw.INSERTED, again[0][0])
        ]


async def written(store: Store, *days: int) -> None:
    """A line for each, so many days after the start."""
    for n, day in enumerate(days, 1):
        async with store.work() as w:
            await w.log.record(System(), "login", Target(UserId(n), "x@school.org"), START + day * DAY)
            await w.commit()


async def expire(store: Store, most: int) -> int:
    async with store.work() as w:
        gone = await w.log.expire(START, most)
        await w.commit()
    return gone


async def verdict(store: SqlStore, head: str | None = None) -> Verdict:
    return await VerifyLog(SqlActionRecords(reading(store.engine), portion=2))(head)


def _note(id: int, hash: str = "hash", timestamp: str = "timestamp") -> str:
    """Somebody says that everything up to this line has expired."""
    line = f"SELECT {id}, {hash}, {timestamp} FROM user_action_log WHERE id >= {id} ORDER BY id LIMIT 1"
    return f"INSERT INTO user_action_log_expired (line_id, hash, timestamp) {line}"


async def _run(store: SqlStore, statement: str) -> None:
    async with store.engine.begin() as connection:
        await connection.execute(text(statement))


async def test_jobs_are_found_by_their_key_also_those_that_have_ended(sql: SqlStore) -> None:
    async with sql.engine.connect() as connection:
        indexes = await connection.run_sync(lambda sync: inspect(sync).get_indexes("job"))
    keys = [index for index in indexes if index["column_names"] == ["dedup_key"] and not index["unique"]]
    assert len(keys) == 1
    assert not any(keys[0].get("dialect_options", {}).values())  # of all, whatever their state


async def test_one_job_can_do_what_others_wait_for(store: Store) -> None:
    sweep, later = JobKind.SWEEP_FULL_TEXT, START + timedelta(seconds=1)
    async with store.work() as w:
        for n in range(3):
            await w.jobs.add(sweep, {}, f"sweep:{n}", START)
        await w.jobs.add(sweep, {}, "sweep:later", later)
        await w.jobs.add(JobKind.SEND_MAIL, {}, "mail", START)
        await w.commit()
    begun = await store.queue.claim("w1", START, LEASE, [sweep])
    assert begun is not None
    await store.queue.spare(sweep, START)
    assert await store.queue.claim("w2", START, LEASE, [sweep]) is None
    assert await store.queue.claim("w2", START, LEASE, [JobKind.SEND_MAIL])
    assert await store.queue.renew(begun.id, "w1", START + LEASE)
    assert await store.queue.claim("w2", later, LEASE, [sweep])
    async with store.work() as w:
        assert not await w.jobs.is_unfinished("sweep:2")


class TestSettledJobs:
    async def test_those_last_due_before_are_forgotten(self, store: Store) -> None:
        ids = {state: await _ended(store, state) for state in ("done", "failed", "cancelled", "held")}
        young = await _ended(store, "done", START + DAY)
        async with store.work() as w:
            await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, "waiting", START)
            await w.commit()

        before = START + timedelta(seconds=10)
        assert await store.queue.forget_settled(before, 2) == 2
        assert await store.queue.forget_settled(before, 2) == 1
        assert await store.queue.forget_settled(before, 2) == 0

        assert (await store.job(ids["held"]))[0] is JobState.CANCELLED
        assert (await store.job(young))[0] is JobState.DONE
        async with store.work() as w:
            assert await w.jobs.is_unfinished("waiting")
        assert await store.queue.forget_settled(START + LEASE + timedelta(seconds=1), 2) == 1


async def _ended(store: Store, how: str, due: datetime = START) -> JobId:
    async with store.work() as w:
        await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, f"index:{how}", due)
        await w.commit()
    job = await store.queue.claim("w1", due, LEASE)
    assert job is not None
    if how in ("cancelled", "held"):
        async with store.work() as w:
            await w.jobs.cancel(f"index:{how}", due)
            await w.commit()
    match how:
        case "done":
            await store.queue.finish(job.id, "w1")
        case "failed":
            await store.queue.fail(job.id, "w1", "BadFile", None)
        case "cancelled":
            await store.queue.let_go(job.id, "w1")
    return job.id
