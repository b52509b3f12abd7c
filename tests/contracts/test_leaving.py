"""What the database promises about somebody who leaves, asked of the fake, SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest

from domain.conversation import ChatSession, MessageId, MessageState, SessionId, Speaker
from domain.document import FileId
from domain.export import Export, ExportId
from domain.job import JobKind, JobState
from domain.tutor_request import RequestStatus, TutorRequest, TutorRequestId
from domain.user import Role, TokenDead, User, UserId
from tests.builders import a_file, a_message, a_stored_session, a_user, an_open_reply
from tests.contracts.stores import SqlStore, Store
from tests.fakes.clock import START

ANN, BEN = "ann@example.org", "ben@example.org"
LEASE = timedelta(seconds=30)


async def stored(store: Store, email: str = ANN, role: Role = Role.STUDENT) -> User:
    async with store.work() as w:
        user = a_user(email, role=role)
        w.users.add(user)
        await w.commit()
    return user


async def session_of(store: Store, owner: UserId) -> ChatSession:
    async with store.work() as w:
        session = await a_stored_session(w, owner)
        await w.commit()
    return session


async def replies(store: Store, session: SessionId, *ages: timedelta) -> list[MessageId]:
    async with store.work() as w:
        made = [an_open_reply(session, START - age) for age in ages]
        for reply in made:
            w.messages.add(reply)
            await w.flush()
        w.messages.add(a_message(session))
        await w.commit()
    return [reply.id for reply in made]


async def file_of(store: Store, owner: UserId, *, public: bool = False) -> FileId:
    async with store.work() as w:
        file = a_file(owner, public=public)
        w.files.add(file)
        await w.commit()
    return file.id


async def bury(store: Store, id: UserId) -> None:
    async with store.work() as w:
        user = await w.users.get(id)
        assert user is not None
        await w.users.forget_rows(id, START)
        user.bury(START)
        await w.commit()


class TestRows:
    async def test_go_with_the_owner_and_are_counted(self, store: Store) -> None:
        ann, ben = await stored(store), await stored(store, BEN)
        for user in (ann, ben):
            session = await session_of(store, user.id)
            await replies(store, session.id, timedelta())
            async with store.work() as w:
                w.tutor_requests.add(TutorRequest(user_id=user.id, reason="", created_at=START))
                await w.notifications.add(user.id, "Hello", "…", "info", START)
                await w.commit()

        async with store.work() as w:
            counts = await w.users.forget_rows(ann.id, START)
            await w.commit()

        assert counts == {
            "messages": 2, "chat_sessions": 1, "notifications": 1, "tutor_requests": 1, "profiles": 1,
            "safeguards": 0,
        }  # read as a table # fmt: skip
        assert [note[0] for note in await store.notes()] == [ben.id]
        assert [request[0] for request in await store.tutor_requests()] == [ben.id]
        assert (await store.reading.history(ann.id, 10, 0)).total == 0
        assert (await store.reading.history(ben.id, 10, 0)).total == 1
        async with store.work() as w:
            assert sum((await w.users.forget_rows(ann.id, START)).values()) == 0

    async def test_files_get_a_tombstone_public_ones_stay(self, store: Store) -> None:
        ann = await stored(store)
        own, public = await file_of(store, ann.id), await file_of(store, ann.id, public=True)
        async with store.work() as w:
            await w.users.forget_rows(ann.id, START)
            await w.commit()
        async with store.work() as w:
            (file,) = await w.files.personal_of(ann.id)
            kept = await w.files.get(public)
        assert (file.id, file.deleted_at) == (own, START)
        assert kept is not None
        assert kept.deleted_at is None


class TestDeciders:
    async def decided(self, store: Store, by: str) -> TutorRequestId:
        ben = await stored(store, f"asked-{by}")
        async with store.work() as w:
            request = TutorRequest(user_id=ben.id, reason="", created_at=START)
            request.decide(RequestStatus.REJECTED, by, START)
            w.tutor_requests.add(request)
            await w.commit()
        return request.id

    async def test_are_renamed_and_forgotten_and_nobody_else_is(self, store: Store) -> None:
        hers, his = await self.decided(store, ANN), await self.decided(store, BEN)
        for former, new in ((ANN, "ann.lee@example.org"), ("ann.lee@example.org", None)):
            async with store.work() as w:
                await w.tutor_requests.rename_decider(former, new)
                await w.commit()
            async with store.work() as w:
                found = [await w.tutor_requests.get(id) for id in (hers, his)]
                assert [request and request.decided_by for request in found] == [new, BEN]


class TestBuried:
    async def test_are_found_by_nobody_but_who_asks_for_the_buried(self, store: Store) -> None:
        ann = await stored(store)
        async with store.work() as w:
            assert await w.users.buried(ann.id) is None
        await bury(store, ann.id)
        async with store.work() as w:
            assert await w.users.get(ann.id) is None
            assert await w.users.by_email(ANN) is None
            buried = await w.users.buried(ann.id)
        assert buried is not None
        assert (buried.email, buried.password_hash) == (f"deleted-{ann.id}", "")
        assert await store.reading.account(ann.id) is None

    async def test_leave_their_address_free_and_their_number_taken(self, store: Store) -> None:
        ann = await stored(store)
        await bury(store, ann.id)
        again = await stored(store)
        async with store.work() as w:
            await w.users.remove(ann.id)
            await w.commit()
        newest = await stored(store, BEN)
        assert ann.id < again.id < newest.id

    async def test_are_removed_with_what_came_late(self, store: Store) -> None:
        ann = await stored(store)
        await bury(store, ann.id)
        await session_of(store, ann.id)
        async with store.work() as w:
            await w.users.remove(ann.id)
            await w.commit()
        async with store.work() as w:
            assert await w.users.buried(ann.id) is None

    async def test_only_are_removed(self, store: Store) -> None:
        ann = await stored(store)
        async with store.work() as w:
            await w.users.remove(ann.id)
            await w.commit()
        async with store.work() as w:
            assert await w.users.get(ann.id) is not None

    async def test_public_files_outlive_them(self, store: Store) -> None:
        ann = await stored(store)
        public = await file_of(store, ann.id, public=True)
        await bury(store, ann.id)
        async with store.work() as w:
            await w.users.remove(ann.id)
            await w.commit()
        async with store.work() as w:
            kept = await w.files.get(public)
        assert kept is not None
        assert kept.user_id is None

    async def test_once_removed_get_nothing_new(self, sql: SqlStore) -> None:
        ann = await stored(sql)
        await bury(sql, ann.id)
        async with sql.work() as w:
            await w.users.remove(ann.id)
            await w.commit()
        with pytest.raises(TokenDead):
            await session_of(sql, ann.id)
        with pytest.raises(TokenDead):
            await file_of(sql, ann.id)

    async def test_nothing_new_comes_to_belong_to_them_while_held(self, store: Store) -> None:
        ann = await stored(store)
        await bury(store, ann.id)
        order: list[str] = []

        async def late() -> None:
            async with store.work() as w:
                w.files.add(a_file(ann.id))
                await w.flush()
                order.append("late")
                await w.commit()

        async with store.work() as w:
            assert await w.users.buried(ann.id) is not None
            coming = asyncio.create_task(late())
            await asyncio.sleep(0.2)
            assert await w.files.personal_of(ann.id) == []
            order.append("looked")
            await w.commit()
        await coming
        assert order == ["looked", "late"]


class TestReplies:
    async def test_of_a_user_are_the_newest_begun_since(self, store: Store) -> None:
        ann, ben = await stored(store), await stored(store, BEN)
        one, other = await session_of(store, ann.id), await session_of(store, ann.id)
        old, young = await replies(store, one.id, timedelta(hours=3), timedelta(minutes=5))
        (newest,) = await replies(store, other.id, timedelta())
        await replies(store, (await session_of(store, ben.id)).id, timedelta())
        since = START - timedelta(hours=2)
        async with store.work() as w:
            assert await w.messages.replies_of(ann.id, since, 10) == [(other.id, newest), (one.id, young)]
            assert await w.messages.replies_of(ann.id, since, 1) == [(other.id, newest)]
            assert len(await w.messages.replies_of(ann.id, START - timedelta(hours=4), 10)) == 3
        assert old < young

    async def test_count_in_whatever_state(self, store: Store) -> None:
        ann = await stored(store)
        session = await session_of(store, ann.id)
        (reply,) = await replies(store, session.id, timedelta())
        async with store.work() as w:
            await w.messages.settle(reply, MessageState.FINAL, "Yes.", None)
            await w.commit()
        async with store.work() as w:
            assert await w.messages.replies_of(ann.id, START - timedelta(hours=1), 9) == [(session.id, reply)]
            message = await w.messages.get(reply)
        assert message is not None
        assert message.speaker is Speaker.ASSISTANT


class TestFiles:
    async def test_go_for_good(self, store: Store) -> None:
        ann = await stored(store)
        file = await file_of(store, ann.id)
        for _ in range(2):
            async with store.work() as w:
                await w.files.remove(file)
                await w.commit()
        async with store.work() as w:
            assert await w.files.personal_of(ann.id) == []
        assert await file_of(store, ann.id) > file


class TestExports:
    async def test_are_kept_newest_first_and_removed(self, store: Store) -> None:
        ann = await stored(store)
        ids: list[ExportId] = []
        for n in range(2):
            async with store.work() as w:
                export = Export(user_id=ann.id, disk_name=f"{n:032x}", created_at=START)
                w.exports.add(export)
                await w.commit()
            ids.append(export.id)
        async with store.work() as w:
            found = await w.exports.get(ids[0])
            assert found is not None
            found.size, found.ready_at, found.fetched_at = 12, START, START
            await w.commit()
        async with store.work() as w:
            newer, older = await w.exports.of(ann.id)
            assert (newer.id, older.id) == (ids[1], ids[0])
            assert (older.size, older.ready_at, older.fetched_at) == (12, START, START)
            await w.exports.remove(older.id)
            await w.commit()
        async with store.work() as w:
            assert await w.exports.get(ids[0]) is None

    async def test_of_many_who_take_one_at_once_one_has_it(self, store: Store) -> None:
        ann = await stored(store)
        async with store.work() as w:
            export = Export(user_id=ann.id, disk_name="0" * 32, created_at=START, ready_at=START)
            w.exports.add(export)
            await w.commit()

        async def take() -> bool:
            async with store.work() as w:
                found = await w.exports.get(export.id)
                assert found is not None
                if not found.fetchable(START):
                    return False
                found.fetched_at = START
                await w.commit()
                return True

        assert sorted(await asyncio.gather(*(take() for _ in range(8)))) == [False] * 7 + [True]


class TestJobs:
    async def add(self, store: Store) -> None:
        async with store.work() as w:
            await w.jobs.add(JobKind.ERASE_ACCOUNT, {"n": 1}, "erase:7", START)
            await w.commit()

    async def cancel(self, store: Store, after: timedelta = timedelta()) -> bool:
        async with store.work() as w:
            idle = await w.jobs.cancel("erase:7", START + after)
            await w.commit()
        return idle

    async def test_learn_what_the_next_try_should_know(self, store: Store) -> None:
        await self.add(store)
        first = await store.queue.claim("w1", START, LEASE)
        assert first is not None
        async with store.work() as w:
            await w.jobs.amend("erase:7", {"n": 2})
            await w.commit()
        await store.queue.fail(first.id, "w1", "StillThere", START)
        second = await store.queue.claim("w2", START, LEASE)
        assert second is not None
        assert second.payload == {"n": 2}

    async def test_keep_nothing_once_finished(self, store: Store) -> None:
        await self.add(store)
        job = await store.queue.claim("w1", START, LEASE)
        assert job is not None
        await store.queue.finish(job.id, "w1")
        async with store.work() as w:
            await w.jobs.amend("erase:7", {"n": 3})
            await w.commit()
        assert await store.payload(job.id) == {}

    async def test_that_wait_are_cancelled_at_once(self, store: Store) -> None:
        await self.add(store)
        assert await self.cancel(store)
        assert await store.queue.claim("w1", START, LEASE) is None
        assert await self.cancel(store)

    async def test_that_run_may_be_worked_on_until_the_lease_ends(self, store: Store) -> None:
        await self.add(store)
        job = await store.queue.claim("w1", START, LEASE)
        assert job is not None
        assert not await self.cancel(store)
        assert not await store.queue.renew(job.id, "w1", START + 2 * LEASE)
        assert not await self.cancel(store, LEASE)
        assert await self.cancel(store, LEASE + timedelta(seconds=1))
        assert (await store.job(job.id))[0] is JobState.CANCELLED
        assert await store.queue.claim("w2", START + 3 * LEASE, LEASE) is None

    @pytest.mark.parametrize("retry", [True, False])
    async def test_that_ended_are_no_longer_worked_on(self, store: Store, retry: bool) -> None:
        await self.add(store)
        job = await store.queue.claim("w1", START, LEASE)
        assert job is not None
        await store.queue.fail(job.id, "w1", "StillThere", START if retry else None)
        assert await self.cancel(store)

    async def test_unknown_ones_are_idle(self, store: Store) -> None:
        assert await self.cancel(store)
