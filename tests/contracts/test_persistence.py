"""What the database promises, asked of the fake, SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import event, text

from adapters.sql.engine import database, reading
from adapters.sql.reading import SqlReading
from adapters.sql.work import SqlWorkFactory
from application.accounts.bury import bury
from application.ports.persistence import Work
from domain.conversation import ChatSession, MessageId, MessageState, SessionId
from domain.document import FileId, IndexState, NameTaken, numbered
from domain.errors import StorageUnavailable
from domain.job import JobKind
from domain.tutor_request import TutorRequest
from domain.user import EmailTaken, Role, Status, User, UserId
from tests.builders import a_file, a_message, a_session, a_stored_session, a_user, an_open_reply
from tests.contracts.stores import FakeStore, SqlStore, Store
from tests.fakes.clock import START
from tests.free_port import free_port

LATER = START + timedelta(minutes=5)
NOBODY = UserId(999_999)


async def stored_user(store: Store, email: str = "ann@example.org", role: Role = Role.STUDENT) -> User:
    async with store.work() as w:
        user = a_user(email, role=role)
        w.users.add(user)
        await w.commit()
    return user


async def stored_session(store: Store, owner: UserId | None = None) -> ChatSession:
    owner = owner or (await stored_user(store)).id
    async with store.work() as w:
        session = await a_stored_session(w, owner)
        await w.commit()
    return session


async def stored_reply(store: Store, session: SessionId) -> MessageId:
    async with store.work() as w:
        reply = an_open_reply(session)
        w.messages.add(reply)
        await w.commit()
    return reply.id


class TestUnitOfWork:
    async def test_leaving_without_commit_undoes_everything(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            w.users.add(a_user("ben@example.org"))
            await w.flush()
            found = await w.users.get(ann.id)
            assert found is not None
            found.status = Status.BANNED
            await w.log.record(ann, "login", ann, START)
            await w.notifications.add(ann.id, "Hello", "there", "info", START)
            w.tutor_requests.add(TutorRequest(user_id=ann.id, reason="", created_at=START))
            await w.jobs.add(JobKind.INDEX_DOCUMENT, {}, "index:1", START)

        async with store.work() as w:
            assert await w.users.by_email("ben@example.org") is None
            found = await w.users.get(ann.id)
            assert found is not None
            assert found.status is Status.INACTIVE
        assert (await store.log(), await store.notes(), await store.tutor_requests()) == ([], [], [])
        assert await store.queue.claim("w", START, timedelta(seconds=30)) is None

    async def test_an_exception_undoes_it_too(self, store: Store) -> None:
        async def fail_halfway() -> None:
            async with store.work() as w:
                w.users.add(a_user())
                await w.flush()
                raise KeyError

        with pytest.raises(KeyError):
            await fail_halfway()

        async with store.work() as w:
            assert await w.users.by_email("ann@example.org") is None

    async def test_what_was_flushed_and_changed_is_there_after_the_commit(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            found = await w.users.get(ann.id)
            assert found is not None
            found.signed_in(LATER)
            found.password_hash = "new"
            await w.commit()

        assert (found.email, found.profile and found.profile.username) == ("ann@example.org", "ann")
        async with store.work() as w:
            again = await w.users.get(ann.id)
        assert again is not None
        assert again is not found
        assert (again.status, again.last_login, again.password_hash) == (Status.ACTIVE, LATER, "new")

    async def test_a_unit_of_work_can_commit_twice(self, store: Store) -> None:
        async with store.work() as w:
            w.users.add(a_user("a@example.org"))
            await w.commit()
            w.users.add(a_user("b@example.org"))
            await w.commit()
            w.users.add(a_user("c@example.org"))

        async with store.work() as w:
            found = [await w.users.by_email(f"{name}@example.org") for name in "abc"]
        assert [user is not None for user in found] == [True, True, False]

    async def test_ids_are_known_after_a_flush_and_never_given_again(self, store: Store) -> None:
        ann = await stored_user(store)
        await store.delete_user(ann.id)

        async with store.work() as w:
            ben = a_user("ben@example.org")
            w.users.add(ben)
            await w.flush()
            assert ben.id > ann.id


class TestUsers:
    async def test_one_that_was_got_is_changed_by_nobody_else_meanwhile(self, store: Store) -> None:
        """A login that began before a ban must not lift it."""
        ann, got = await stored_user(store), asyncio.Event()

        async def ban() -> None:
            async with store.work() as w:
                user = await w.users.get(ann.id)
                assert user is not None
                got.set()
                await asyncio.sleep(0.1)
                user.status = Status.BANNED
                await w.commit()

        async def sign_in() -> None:
            await got.wait()
            async with store.work() as w:
                user = await w.users.get(ann.id)
                assert user is not None
                if user.status is not Status.BANNED:
                    user.status = Status.ACTIVE
                await w.commit()

        await asyncio.gather(ban(), sign_in())
        async with store.work() as w:
            after = await w.users.get(ann.id)
        assert after is not None
        assert after.status is Status.BANNED

    async def test_are_found_with_their_profile(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            by_id, by_email = await w.users.get(ann.id), await w.users.by_email("ann@example.org")

        for found in (by_id, by_email):
            assert found is not None
            assert found.profile is not None
            assert (found.id, found.role, found.created_at) == (ann.id, Role.STUDENT, START)
            assert (found.profile.username, found.profile.avatar_url) == (
                "ann",
                "/static/avatars/default.png",
            )

    async def test_unknown_ones_are_none(self, store: Store) -> None:
        async with store.work() as w:
            assert await w.users.get(NOBODY) is None
            assert await w.users.by_email("nobody@example.org") is None

    async def test_are_found_by_role(self, store: Store) -> None:
        await stored_user(store)
        admin = await stored_user(store, "root@example.org", Role.ADMIN)
        async with store.work() as w:
            assert [user.id for user in await w.users.with_role(Role.ADMIN)] == [admin.id]
            assert await w.users.with_role(Role.TUTOR) == []

    async def test_an_address_is_taken_only_once(self, store: Store) -> None:
        ann = await stored_user(store)

        async def add_another() -> None:
            async with store.work() as w:
                w.users.add(a_user())
                await w.flush()

        with pytest.raises(EmailTaken):
            await add_another()

        async with store.work() as w:
            found = await w.users.by_email("ann@example.org")
        assert found is not None
        assert found.id == ann.id

    async def test_of_many_who_take_an_address_at_once_one_gets_it(self, store: Store) -> None:
        async def take() -> bool:
            try:
                await stored_user(store)
            except EmailTaken:
                return False
            return True

        assert sum(await asyncio.gather(*(take() for _ in range(12)))) == 1


class TestSessions:
    async def test_memory_keys_are_never_given_twice(self, store: Store) -> None:
        async with store.work() as w:
            first = [await w.sessions.new_memory() for _ in range(2)]
            await w.commit()
        async with store.work() as w:
            later = await w.sessions.new_memory()
        assert first[0] < first[1] < later

    async def test_are_found_again(self, store: Store) -> None:
        session = await stored_session(store)
        async with store.work() as w:
            found = await w.sessions.get(session.id)
            nothing = await w.sessions.get(SessionId(999_999))
        assert nothing is None
        assert found is not None
        assert (found.memory, found.owner, found.title) == (session.memory, session.owner, "Biology")
        assert (found.message_count, found.is_favorite, found.updated_at) == (0, False, START)

    async def test_the_newest_is_the_one_used_last(self, store: Store) -> None:
        ann, ben = await stored_user(store), await stored_user(store, "ben@example.org")
        async with store.work() as w:
            for owner, minutes in ((ann, 3), (ann, 9), (ann, 9), (ben, 20)):
                memory = await w.sessions.new_memory()
                w.sessions.add(a_session(owner.id, memory, str(memory), START + timedelta(minutes=minutes)))
                await w.flush()
            await w.commit()
        async with store.work() as w:
            newest = await w.sessions.newest_of(ann.id, START)
            at_the_moment = await w.sessions.newest_of(ann.id, START + timedelta(minutes=9))
            too_old = await w.sessions.newest_of(ann.id, START + timedelta(minutes=10))
        assert newest is not None
        assert at_the_moment is not None
        assert newest.updated_at == START + timedelta(minutes=9)
        assert newest.id == at_the_moment.id  # of two used in the same moment, the younger
        assert too_old is None

    async def test_two_hundred_writers_all_have_their_turn(self, store: Store) -> None:
        """Each holds the database for a moment, and nobody is overtaken until he is refused."""
        session = await stored_session(store)
        served: list[int] = []

        async def write(n: int) -> None:
            async with store.work() as w:
                await w.sessions.count_message(session.id, START)
                await asyncio.sleep(0.005)
                served.append(n)
                await w.commit()

        await asyncio.gather(*(write(n) for n in range(200)))
        assert sorted(served) == list(range(200))

    async def test_of_an_account_only_what_a_login_needs(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            bare = await w.users.bare(ann.id)
            assert bare is not None
            assert bare.email == ann.email
            bare.signed_in(LATER)
            await w.commit()
        async with store.work() as w:
            found = await w.users.get(ann.id)
            assert found is not None
            assert (found.last_login, found.status) == (LATER, Status.ACTIVE)
            assert found.profile is not None
            await bury(w, found, LATER)
            await w.commit()
        async with store.work() as w:
            assert await w.users.bare(ann.id) is None

    async def test_the_absent_are_marked_unless_they_came_back(self, store: Store) -> None:
        async with store.work() as w:
            for n in range(4):
                w.users.add(user := a_user(f"user{n}@example.org"))
                if n < 3:
                    user.signed_in(START + timedelta(minutes=n))
            await w.commit()
        before = START + timedelta(minutes=2)
        ids = sorted(await store.reading.active(before))
        assert len(ids) == 2
        async with store.work() as w:
            back = await w.users.get(ids[1])
            assert back is not None
            back.signed_in(LATER)
            await w.commit()
        async with store.work() as w:
            assert await w.users.mark_absent(ids, before) == 1
            await w.commit()
        assert sorted(await store.reading.active(LATER + timedelta(hours=1))) == [ids[1], ids[1] + 1]

    async def test_no_count_is_lost_among_fifty_writers(self, store: Store) -> None:
        session = await stored_session(store)

        async def count_one(n: int) -> None:
            async with store.work() as w:
                await w.sessions.count_message(session.id, START + timedelta(seconds=n))
                await w.commit()

        await asyncio.gather(*(count_one(n) for n in range(50)))
        async with store.work() as w:
            await w.sessions.count_message(session.id, LATER, 2)
            await w.commit()
        async with store.work() as w:
            found = await w.sessions.get(session.id)
        assert found is not None
        assert (found.message_count, found.updated_at) == (52, LATER)


class TestMessages:
    async def test_are_found_again_as_they_were_typed(self, store: Store) -> None:
        session = await stored_session(store)
        typed = "  L\u2028ine\r\n\ttwo \U0001f393 日本語 \x7f "
        async with store.work() as w:
            message = a_message(session.id, typed)
            w.messages.add(message)
            await w.commit()
        async with store.work() as w:
            found = await w.messages.get(message.id)
            nothing = await w.messages.get(MessageId(999_999))
        assert nothing is None
        assert found is not None
        assert (found.content, found.state, found.sources) == (typed, MessageState.FINAL, None)

    async def test_a_reply_is_settled_once(self, store: Store) -> None:
        session = await stored_session(store)
        id = await stored_reply(store, session.id)
        sources: list[dict[str, object]] = [{"n": 1, "filename": "a.pdf", "page": None, "score": 0.5}]

        async with store.work() as w:
            assert await w.messages.settle(id, MessageState.FINAL, "It is", sources)
            await w.commit()
        async with store.work() as w:
            assert not await w.messages.settle(id, MessageState.FAILED, "lost", None)
            await w.commit()

        async with store.work() as w:
            found = await w.messages.get(id)
        assert found is not None
        assert (found.content, found.state, found.sources) == ("It is", MessageState.FINAL, sources)

    async def test_how_far_a_reply_was_spoken_is_noted_once(self, store: Store) -> None:
        session = await stored_session(store)
        id = await stored_reply(store, session.id)
        for upto in (5, 9):
            async with store.work() as w:
                await w.messages.spoken(id, upto)
                await w.messages.spoken(MessageId(999_999), upto)
                await w.commit()
        async with store.work() as w:
            found, heard = await w.messages.get(id), await w.sessions.get(session.id)
        assert found is not None
        assert heard is not None
        assert (found.spoken_upto, heard.heard) == (5, None)

    async def test_what_was_heard_before_an_interruption_counts(self, store: Store) -> None:
        session = await stored_session(store)
        id = await stored_reply(store, session.id)
        async with store.work() as w:
            await w.messages.settle(id, MessageState.FINAL, "It is well known. And more.", None)
            await w.messages.spoken(id, 27)
            await w.commit()
        async with store.work() as w:
            await w.messages.spoken(id, 17, cut=True)
            await w.messages.spoken(MessageId(999_999), 3, cut=True)
            await w.commit()
        async with store.work() as w:
            found, heard = await w.messages.get(id), await w.sessions.get(session.id)
        assert found is not None
        assert heard is not None
        assert (found.spoken_upto, heard.heard) == (17, "It is well known.")
        assert heard.updated_at == session.updated_at

    async def test_of_many_who_settle_a_reply_one_does(self, store: Store) -> None:
        session = await stored_session(store)
        id = await stored_reply(store, session.id)

        async def settle(text: str) -> str | None:
            async with store.work() as w:
                settled = await w.messages.settle(id, MessageState.INTERRUPTED, text, None)
                await w.commit()
            return text if settled else None

        told = [t for t in await asyncio.gather(*(settle(f"by {n}") for n in range(12))) if t]
        async with store.work() as w:
            found = await w.messages.get(id)
        assert found is not None
        assert told == [found.content]

    async def test_settling_and_deleting_the_account_do_not_wait_for_each_other(self, store: Store) -> None:
        session = await stored_session(store)
        async with store.work() as w:
            w.messages.add(reply := an_open_reply(session.id))
            await w.commit()
        settled = asyncio.Event()

        async def settle() -> None:
            async with store.work() as w:
                await w.messages.settle(reply.id, MessageState.FINAL, "It is.", None)
                settled.set()
                await asyncio.sleep(0.2)  # the account's owner leaves here
                await w.sessions.count_message(session.id, LATER)
                await w.commit()

        async def leave() -> None:
            await settled.wait()
            async with store.work() as w:
                user = await w.users.get(session.owner)
                assert user is not None
                await bury(w, user, LATER)
                await w.commit()

        await asyncio.gather(settle(), leave())
        async with store.work() as w:
            assert await w.sessions.get(session.id) is None

    async def test_what_is_no_reply_in_the_making_cannot_be_settled(self, store: Store) -> None:
        session = await stored_session(store)
        async with store.work() as w:
            question = a_message(session.id)
            w.messages.add(question)
            await w.flush()
            assert not await w.messages.settle(question.id, MessageState.FINAL, "", None)
            assert not await w.messages.settle(MessageId(999_999), MessageState.FINAL, "", None)

    async def test_replies_in_the_making_are_listed(self, store: Store) -> None:
        session = await stored_session(store)
        ids = [await stored_reply(store, session.id) for _ in range(3)]
        async with store.work() as w:
            w.messages.add(a_message(session.id))
            await w.messages.settle(ids[1], MessageState.FINAL, "done", None)
            await w.commit()
        assert await store.reading.streaming() == [(session.id, ids[0]), (session.id, ids[2])]


class TestFiles:
    async def test_names_and_their_numbered_variants_are_known(self, store: Store) -> None:
        ann, ben = await stored_user(store), await stored_user(store, "ben@example.org")
        mine = ["a.pdf", "a-2.pdf", "a-b.pdf", "A.pdf", "a.txt", "ab.pdf", "100%_a.pdf", "100xxa.pdf", "raw"]
        for name in mine:
            await store.keep(a_file(ann.id, stored_name=name, index_name=name))
        await store.keep(a_file(ann.id, stored_name="a-7.pdf"))
        await store.keep(a_file(ben.id, stored_name="a-3.pdf", index_name="a-3.pdf"))

        async with store.work() as w:
            assert await w.files.stored_names_like(ann.id, "a.pdf") == {"a.pdf", "a-2.pdf", "a-7.pdf"}
            assert await w.files.index_names_like(ann.id, "a.pdf") == {"a.pdf", "a-2.pdf"}
            assert await w.files.stored_names_like(ann.id, "100%_a.pdf") == {"100%_a.pdf"}
            assert await w.files.stored_names_like(ann.id, "raw") == {"raw"}
            assert await w.files.index_names_like(ben.id, "a.txt") == set()

    async def test_two_never_choose_the_same_name(self, store: Store) -> None:
        ann = await stored_user(store)

        async def choose() -> str:
            async with store.work() as w:
                taken = await w.files.stored_names_like(ann.id, "a.pdf")
                indexed = await w.files.index_names_like(ann.id, "a.pdf")
                assert taken == indexed
                name = next(free for n in count(1) if (free := numbered("a.pdf", n)) not in taken)
                w.files.add(a_file(ann.id, stored_name=name, index_name=name))
                await w.commit()
                return name

        chosen = await asyncio.gather(*(choose() for _ in range(20)))
        assert set(chosen) == {numbered("a.pdf", n) for n in range(1, 21)}

    @pytest.mark.parametrize("which", ["stored_name", "index_name"])
    async def test_an_owner_has_each_name_once(self, store: Store, which: str) -> None:
        ann, ben = await stored_user(store), await stored_user(store, "ben@example.org")

        async def keep(owner: User) -> FileId:
            file = a_file(owner.id)
            setattr(file, which, "a.pdf")
            return await store.keep(file)

        await keep(ann)
        await keep(ben)
        with pytest.raises(NameTaken):
            await keep(ann)

    async def test_many_files_may_be_without_an_index_name(self, store: Store) -> None:
        ann = await stored_user(store)
        assert await store.keep(a_file(ann.id)) != await store.keep(a_file(ann.id))

    async def test_how_far_indexing_is_can_be_marked(self, store: Store) -> None:
        ann = await stored_user(store)
        id = await store.keep(a_file(ann.id, rag_status=IndexState.PENDING))
        async with store.work() as w:
            await w.files.mark_indexed(id, IndexState.FAILED, "RAG indexing failed: 500")
            await w.commit()
        async with store.work() as w:
            found = await w.files.get(id)
            assert await w.files.get(FileId(999_999)) is None
        assert found is not None
        assert (found.rag_status, found.rag_error) == (IndexState.FAILED, "RAG indexing failed: 500")
        async with store.work() as w:
            await w.files.mark_indexed(id, IndexState.INDEXED)
            await w.commit()
        assert await store.reading.index_state(id) == (IndexState.INDEXED, None)


class TestTraces:
    async def test_notifications_are_kept(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            await w.notifications.add(
                ann.id, "Document ready", "notes.txt can be searched.", "success", START
            )
            await w.commit()
        assert await store.notes() == [(ann.id, "Document ready", "notes.txt can be searched.", "success")]

    async def test_the_log_outlives_those_it_is_about(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            await w.log.record(ann, "update", ann, START, {"role": ["student", "tutor"]}, "asked for it")
            await w.commit()
        await store.delete_user(ann.id)
        line = ("ann@example.org", "student", "update", ann.id, "ann@example.org")
        assert await store.log() == [(*line, {"role": ["student", "tutor"]}, "asked for it")]

    async def test_tutor_requests_are_kept(self, store: Store) -> None:
        ann = await stored_user(store)
        async with store.work() as w:
            w.tutor_requests.add(TutorRequest(user_id=ann.id, reason="I teach", created_at=START))
            await w.commit()
        assert await store.tutor_requests() == [(ann.id, "I teach")]


class TestOutage:
    async def test_the_fake_can_be_down(self) -> None:
        store = FakeStore()
        store.database.down = True
        with pytest.raises(StorageUnavailable):
            await stored_user(store)

    async def test_the_fake_can_lose_commits(self) -> None:
        store = FakeStore()
        store.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await stored_user(store)
        await stored_user(store)

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
    async def test_a_database_out_of_reach_decides_nothing(self, tmp_path: Path, kind: str) -> None:
        urls = {
            "sqlite": f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'app.db'}",
            "postgresql": f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none",
        }
        engine, writing = database(urls[kind])
        with pytest.raises(StorageUnavailable):
            async with SqlWorkFactory(writing)() as w:
                await w.users.get(NOBODY)
        with pytest.raises(StorageUnavailable):
            await SqlReading(reading(engine)).account(NOBODY)
        await engine.dispose()

    async def test_a_database_that_stays_locked_is_out_of_reach(self, sqlite_store: SqlStore) -> None:
        engine, impatient = database(str(sqlite_store.engine.url))
        event.listen(engine.sync_engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=20"))

        async def work(w: Work) -> None:
            await w.users.get(NOBODY)

        async with sqlite_store.engine.begin() as connection:
            await connection.execute(text("DELETE FROM user"))
            with pytest.raises(StorageUnavailable):
                async with SqlWorkFactory(impatient)() as w:
                    await work(w)
            assert await sqlite_store.reading.account(NOBODY) is None  # readers never wait for a writer
        await engine.dispose()

    async def test_a_connection_that_died_is_replaced(self, postgresql_store: SqlStore) -> None:
        """Of the connections in the pool; the one in use is lost with what it was doing."""
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"

        async def lose_the_line() -> None:
            async with postgresql_store.work() as w:
                await w.users.get(NOBODY)
                async with postgresql_store.engine.connect() as other:
                    await other.execute(text(kill))
                await w.users.get(NOBODY)

        with pytest.raises(StorageUnavailable):
            await lose_the_line()
        async with postgresql_store.work() as w:
            assert await w.users.get(NOBODY) is None
