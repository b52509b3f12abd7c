"""Versions of messages, and what the current branch is, asked of the fake, SQLite and PostgreSQL."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from application.ports.persistence import Context, FoundLine, Settled, Told, VersionLine
from domain.conversation import (
    MemoryId,
    Message,
    MessageId,
    MessageState,
    SessionId,
    SessionNotFound,
    Speaker,
)
from domain.document import IndexState
from domain.user import UserId
from domain.words import words
from tests.builders import a_file, a_message, a_stored_session, a_user, an_open_reply
from tests.contracts.stores import SqlStore, Store
from tests.fakes.clock import START

LATER = START + timedelta(minutes=5)
NOBODY, NOTHING = UserId(999_999), MessageId(999_999)


class Talk:
    """A session of somebody's, said into step by step."""

    def __init__(self, store: Store, owner: UserId, session: SessionId) -> None:
        self.store, self.owner, self.session = store, owner, session

    async def say(self, *messages: Message) -> MessageId:
        """The number of the last one."""
        async with self.store.work() as w:
            for message in messages:
                w.messages.add(message)
                await w.flush()
            await w.commit()
        return messages[-1].id

    async def ask(self, text: str, version_of: MessageId | None = None) -> MessageId:
        asked = a_message(self.session, text)
        asked.version_of = version_of
        return await self.say(asked)

    async def open(self, version_of: MessageId | None = None) -> MessageId:
        reply = an_open_reply(self.session)
        reply.version_of = version_of
        return await self.say(reply)

    async def settle(self, id: MessageId, text: str) -> Settled | None:
        state = MessageState.FINAL if text else MessageState.FAILED
        async with self.store.work() as w:
            settled = await w.messages.settle(id, state, text, None)
            await w.commit()
        return settled

    async def answer(self, text: str, version_of: MessageId | None = None) -> MessageId:
        id = await self.open(version_of)
        assert await self.settle(id, text) is not None
        return id

    async def edit(self, old: MessageId, text: str) -> tuple[MessageId, int]:
        """The new version of a question, and how much that could be seen it took the place of."""
        async with self.store.work() as w:
            first = await w.messages.get(old)
            assert first is not None
            asked = a_message(self.session, text)
            asked.version_of = first.root
            w.messages.add(asked)
            await w.flush()
            gone = await w.messages.supersede_from(old, asked.id)
            await w.commit()
        return asked.id, gone

    async def summed_up(self, upto: MessageId) -> None:
        async with self.store.work() as w:
            session = await w.sessions.get(self.session)
            assert session is not None
            session.summary, session.summary_upto = "They spoke.", upto
            await w.commit()

    async def shown(self) -> list[str | None]:
        lines = await self.store.reading.messages(self.owner, self.session, 100, None)
        assert lines is not None
        return [line.content for line in lines]

    async def context(self, before: MessageId | None = None, most: int = 100) -> Context:
        return await self.store.reading.turns(self.session, before, most)

    async def versions(self, id: MessageId) -> list[tuple[str | None, bool, list[str | None]]]:
        found = await self.store.reading.versions(self.owner, id)
        assert found is not None
        return [(v.line.content, v.current, [m.content for m in v.thread]) for v in found]

    async def find(self, query: str, owner: UserId | None = None) -> list[str]:
        found = await self.store.reading.search(owner or self.owner, words(query), 50, 0)
        assert found.total == len(found.items)
        return [line.content for line in found.items]


async def a_talk(store: Store, email: str = "ann@example.org") -> Talk:
    async with store.work() as w:
        user = a_user(email)
        w.users.add(user)
        await w.flush()
        session = await a_stored_session(w, user.id)
        await w.commit()
    return Talk(store, user.id, session.id)


@pytest.fixture
async def talk(store: Store) -> Talk:
    return await a_talk(store)


class TestSettling:
    async def test_a_first_answer_appears_once_it_has_text(self, talk: Talk) -> None:
        await talk.ask("Why?")
        assert await talk.settle(await talk.open(), "Because.") == Settled(1)
        assert await talk.settle(await talk.open(), "") == Settled(0)
        assert await talk.settle(NOTHING, "Because.") is None
        assert await talk.shown() == ["Why?", "Because."]

    async def test_a_new_version_takes_the_place_of_the_old_one_when_it_has_text(self, talk: Talk) -> None:
        await talk.ask("Why?")
        first = await talk.answer("Because.")
        second = await talk.open(first)
        assert await talk.shown() == ["Why?", "Because."]  # until then the old one stands
        assert await talk.settle(second, "For good reasons.") == Settled(0)
        assert await talk.shown() == ["Why?", "For good reasons."]
        assert await talk.settle(await talk.open(first), "Last word.") == Settled(0)
        assert await talk.shown() == ["Why?", "Last word."]

    async def test_without_text_the_old_one_stands(self, talk: Talk) -> None:
        await talk.ask("Why?")
        first = await talk.answer("Because.")
        assert await talk.settle(await talk.open(first), "") == Settled(0)
        assert await talk.shown() == ["Why?", "Because."]

    async def test_a_version_of_what_was_never_seen_appears(self, talk: Talk) -> None:
        await talk.ask("Why?")
        silent = await talk.answer("")
        assert await talk.settle(await talk.open(silent), "Because.") == Settled(1)
        assert await talk.shown() == ["Why?", "Because."]

    async def test_what_was_superseded_meanwhile_does_not_appear(self, talk: Talk) -> None:
        question = await talk.ask("Why?")
        reply = await talk.open()
        await talk.edit(question, "How?")
        assert await talk.settle(reply, "Because.") == Settled(0)
        assert await talk.shown() == ["How?"]
        assert await talk.versions(question) == [("Why?", False, ["Because."]), ("How?", True, [])]

    async def test_of_two_versions_that_end_at_once_the_younger_stands_at_most_once_counted(
        self, talk: Talk
    ) -> None:
        await talk.ask("Why?")
        first = await talk.answer("Because.")
        ids = [await talk.open(first) for _ in range(6)]
        settled = await asyncio.gather(*(talk.settle(id, f"By {id}.") for id in ids))
        shown = await talk.shown()
        assert len(shown) == 2 + sum(s.appeared for s in settled if s is not None)
        assert f"By {ids[-1]}." in shown


class TestEditing:
    async def test_supersedes_a_question_and_all_that_followed_at_once(self, talk: Talk) -> None:
        await talk.ask("Hello")
        await talk.answer("Hello!")
        question = await talk.ask("Why?")
        await talk.answer("Because.")
        await talk.ask("Really?")
        await talk.answer("")

        new, gone = await talk.edit(question, "How?")

        assert gone == 3  # the silent reply was never seen
        assert await talk.shown() == ["Hello", "Hello!", "How?"]
        await talk.answer("So.")
        newest, gone = await talk.edit(new, "When?")
        assert gone == 2
        assert await talk.shown() == ["Hello", "Hello!", "When?"]
        assert await talk.versions(newest) == [
            ("Why?", False, ["Because.", "Really?"]),
            ("How?", False, ["So."]),
            ("When?", True, []),
        ]

    async def test_leaves_other_sessions_alone(self, store: Store, talk: Talk) -> None:
        other = await a_talk(store, "ben@example.org")
        question = await talk.ask("Why?")
        await other.ask("Hers is older")
        await talk.edit(question, "How?")
        assert await other.shown() == ["Hers is older"]

    async def test_versions_of_an_answer_in_an_old_branch_are_kept(self, talk: Talk) -> None:
        question = await talk.ask("Why?")
        first = await talk.answer("Because.")
        second = await talk.answer("For reasons.", first)
        await talk.edit(question, "How?")
        assert await talk.versions(question) == [("Why?", False, ["For reasons."]), ("How?", True, [])]
        assert await talk.versions(second) == [("Because.", False, []), ("For reasons.", False, [])]

    async def test_forgets_a_summary_that_tells_of_what_is_gone_and_no_other(self, talk: Talk) -> None:
        old = await talk.ask("Hello")
        await talk.summed_up(old)
        question = await talk.ask("Why?")
        new, _ = await talk.edit(question, "How?")
        assert (await talk.context()).summary == "They spoke."
        await talk.summed_up(new)
        await talk.edit(new, "When?")
        assert ((await talk.context()).summary, (await talk.context()).summary_upto) == (None, None)

    async def test_so_does_an_answer_that_is_generated_again(self, talk: Talk) -> None:
        await talk.ask("Why?")
        first = await talk.answer("Because.")
        await talk.summed_up(first)
        await talk.answer("", first)
        assert (await talk.context()).summary == "They spoke."
        await talk.answer("For reasons.", first)
        assert (await talk.context()).summary is None


class TestTheLastExchange:
    async def last(self, talk: Talk) -> tuple[str | None, str | None] | None:
        async with talk.store.work() as w:
            found = await w.messages.last_exchange(talk.session)
        if found is None:
            return None
        question, answer = found
        return question.content, answer.content if answer else None

    async def test_is_the_last_question_and_the_answer_that_can_be_seen(self, talk: Talk) -> None:
        assert await self.last(talk) is None
        first = await talk.ask("Hello")
        assert await self.last(talk) == ("Hello", None)
        await talk.answer("Hello!")
        assert await self.last(talk) == ("Hello", "Hello!")
        await talk.ask("Why?")
        assert await self.last(talk) == ("Why?", None)
        answer = await talk.answer("Because.")
        await talk.answer("", answer)
        await talk.open(answer)
        assert await self.last(talk) == ("Why?", "Because.")
        await talk.answer("For reasons.", answer)
        assert await self.last(talk) == ("Why?", "For reasons.")
        await talk.edit(first, "Good morning")
        assert await self.last(talk) == ("Good morning", None)


class TestMemory:
    async def test_is_renewed_and_heard(self, talk: Talk) -> None:
        async def state() -> tuple[MemoryId, bool]:
            async with talk.store.work() as w:
                session = await w.sessions.get(talk.session)
            assert session is not None
            assert session.updated_at == START
            return session.memory, session.memory_is_fresh

        before, fresh = await state()
        assert not fresh
        async with talk.store.work() as w:
            memory = await w.sessions.new_memory()
            await w.sessions.renew_memory(talk.session, memory)
            await w.commit()
        assert before != memory
        assert await state() == (memory, True)
        async with talk.store.work() as w:
            await w.sessions.heard(talk.session)
            await w.commit()
        assert await state() == (memory, False)


class TestContext:
    async def test_is_what_was_said_before_oldest_first(self, talk: Talk) -> None:
        hello = await talk.ask("Hello")
        hi = await talk.answer("Hello!")
        await talk.say(a_message(talk.session, None))  # a file
        await talk.answer("")
        await talk.open()
        why = await talk.ask("Why?")
        turns = [Told(hello, Speaker.USER, "Hello"), Told(hi, Speaker.ASSISTANT, "Hello!")]
        assert await talk.context(why) == Context(turns)
        assert await talk.context(why, 1) == Context(turns[1:])
        assert [turn.text for turn in (await talk.context()).turns] == ["Hello", "Hello!", "Why?"]
        assert await talk.context(hello) == Context([])

    async def test_knows_the_summary_also_where_nothing_was_said(self, talk: Talk) -> None:
        hello = await talk.ask("Hello")
        await talk.summed_up(hello)
        assert await talk.context(hello) == Context([], "They spoke.", hello)

    async def test_of_no_session_is_empty(self, store: Store) -> None:
        assert await store.reading.turns(SessionId(999_999), None, 5) == Context()

    async def test_knows_the_current_branch_alone(self, talk: Talk) -> None:
        why = await talk.ask("Why?")
        await talk.answer("Because.")
        await talk.edit(why, "How?")
        assert [turn.text for turn in (await talk.context()).turns] == ["How?"]


class TestVersions:
    async def test_are_the_owners_alone(self, store: Store, talk: Talk) -> None:
        ben = await a_talk(store, "ben@example.org")
        why = await talk.ask("Why?")
        assert await talk.versions(why) == [("Why?", True, [])]
        assert await store.reading.versions(ben.owner, why) is None
        assert await store.reading.versions(talk.owner, NOTHING) is None

    async def test_are_whole_lines_without_what_cannot_be_seen(self, store: Store, talk: Talk) -> None:
        await talk.ask("Why?")
        first = await talk.answer("Because.")
        await talk.answer("", first)
        running = await talk.open(first)
        found = await store.reading.versions(talk.owner, running)
        listed = await store.reading.messages(talk.owner, talk.session, 1, None)
        assert listed is not None
        assert found == [VersionLine(listed[0], current=True, thread=[])]


class TestReply:
    async def test_is_found_in_every_state_by_its_owner(self, store: Store, talk: Talk) -> None:
        ben = await a_talk(store, "ben@example.org")
        why, running = await talk.ask("Why?"), await talk.open()
        silent, done = await talk.answer(""), await talk.answer("Because.")
        for id, state, text in (
            (running, MessageState.STREAMING, ""),
            (silent, MessageState.FAILED, ""),
            (done, MessageState.FINAL, "Because."),
        ):
            found = await store.reading.reply(talk.owner, id)
            assert found is not None
            assert (found.session, found.state, found.content, found.sources) == (
                talk.session,
                state,
                text,
                None,
            )
        for owner, id in ((ben.owner, done), (NOBODY, done), (talk.owner, why), (talk.owner, NOTHING)):
            assert await store.reading.reply(owner, id) is None


class TestSearch:
    async def test_finds_what_has_every_word_newest_first(self, store: Store, talk: Talk) -> None:
        asked = await talk.ask("What is a Cell wall?")
        told = await talk.answer("Plant cells have walls of cellulose.")
        await talk.ask("And animals?")
        found = await store.reading.search(talk.owner, words("cell WALL"), 10, 0)
        assert found.total == 2
        assert list(found.items) == [
            FoundLine(
                talk.session, "Biology", told, "assistant", "Plant cells have walls of cellulose.", START
            ),
            FoundLine(talk.session, "Biology", asked, "user", "What is a Cell wall?", START),
        ]
        assert await talk.find("cellul") == ["Plant cells have walls of cellulose."]
        for nothing in ("wallpaper", "cell animals", "ell", "!?", ""):
            assert await talk.find(nothing) == []

    @pytest.mark.parametrize(
        ("said", "queries", "others"),
        [
            ("细胞膜是什么？", ["细胞", "胞膜", "膜", "细胞膜", "细"], ["胞细", "植"]),
            ("ＴＣＰ/IP: «Überraschung» naïve", ["tcp", "ip", "über", "NAÏVE"], ["uber", "udp"]),
            ("the x86-64's 3.14 o'clock a_b", ["x86", "64", "3", "o'clock", "a_b", "the"], ["86"]),
            ("a plant, b: animals", ["a", "b pl", "an"], ["p", "pl n"]),
            ("हिन्दी में उत्तर दें", ["हिन्दी", "उत्तर"], ["तर"]),
            ('"quoted" \\ & | ! ( ) : * AND NEAR', ['"quoted"', "and", "ne(", "an\\", "*"], ["x OR quoted"]),
            ("z" * 3000, ["z" * 3000, "zz"], []),
        ],
    )
    async def test_sees_words_as_people_do(
        self, talk: Talk, said: str, queries: Sequence[str], others: Sequence[str]
    ) -> None:
        await talk.ask(said)
        for query in queries:
            assert await talk.find(query) == ([said] if words(query) else []), query
        for query in others:
            assert await talk.find(query) == [], query

    async def test_knows_the_current_branch_alone(self, talk: Talk) -> None:
        question = await talk.ask("Why osmosis?")
        first = await talk.answer("Osmosis because.")
        await talk.answer("Osmosis again.", first)
        assert await talk.find("osmosis") == ["Osmosis again.", "Why osmosis?"]
        await talk.edit(question, "How does osmosis work?")
        assert await talk.find("osmosis") == ["How does osmosis work?"]

    async def test_is_each_ones_own(self, store: Store, talk: Talk) -> None:
        ben = await a_talk(store, "ben@example.org")
        await talk.ask("Osmosis?")
        assert await ben.find("osmosis") == []
        assert await talk.find("osmosis", NOBODY) == []

    async def test_comes_in_pages_that_know_the_total(self, store: Store, talk: Talk) -> None:
        for n in range(5):
            await talk.ask(f"osmosis {n}")
        for offset, texts in ((0, ["4", "3"]), (2, ["2", "1"]), (4, ["0"]), (6, [])):
            found = await store.reading.search(talk.owner, ["osmosis"], 2, offset)
            assert [line.content[-1] for line in found.items] == texts
            assert found.total == 5

    async def test_what_is_longer_than_any_index_holds_is_kept_and_found_by_its_beginning(
        self, talk: Talk
    ) -> None:
        await talk.ask("Why?")
        long = " ".join(chr(0x4E00 + n % 20_000) + chr(0x4E00 + n // 7 % 20_000) for n in range(300_000))
        assert await talk.settle(await talk.open(), f"beginning {long}") == Settled(1)
        assert len(await talk.find("beginning")) == 1


class TestDeletion:
    async def test_takes_all_branches_and_leaves_others_alone(self, store: Store, talk: Talk) -> None:
        other = await a_talk(store, "ben@example.org")
        await other.ask("Osmosis?")
        question = await talk.ask("Why osmosis?")
        first = await talk.answer("Because.")
        await talk.answer("Osmosis!", first)
        await talk.edit(question, "How?")
        await talk.open()
        async with store.work() as w:
            memory = await w.sessions.new_memory()
            assert len(await w.messages.replies_in(talk.session)) == 3
            await w.sessions.remove(talk.session)
            await w.commit()

        assert await store.reading.messages(talk.owner, talk.session, 10, None) is None
        assert await talk.find("osmosis") == []
        assert await other.find("osmosis") == ["Osmosis?"]
        async with store.work() as w:
            assert await w.sessions.hold(talk.session) is None
            assert await w.messages.get(question) is None
            assert await w.messages.replies_in(talk.session) == []
            assert await w.sessions.new_memory() > memory
            new = await a_stored_session(w, talk.owner)
            assert new.id > talk.session

    async def test_files_of_a_session_are_the_personal_ones_that_are_left(
        self, store: Store, talk: Talk
    ) -> None:
        async with store.work() as w:
            mine = a_file(talk.owner, session=talk.session, rag_status=IndexState.INDEXED)
            for file in (
                mine,
                a_file(talk.owner, session=talk.session, public=True),
                a_file(talk.owner, session=talk.session, deleted=True),
                a_file(talk.owner),
            ):
                w.files.add(file)
                await w.flush()
            assert [file.id for file in await w.files.of_session(talk.session)] == [mine.id]

    async def test_waits_for_who_holds_the_session_and_finds_what_he_added(self, store: Store) -> None:
        talk, held = await a_talk(store), asyncio.Event()

        async def ask() -> None:
            async with store.work() as w:
                assert await w.sessions.hold(talk.session) is not None
                held.set()
                await asyncio.sleep(0.1)
                w.messages.add(a_message(talk.session))
                await w.commit()

        async def remove() -> None:
            await held.wait()
            async with store.work() as w:
                assert await w.sessions.hold(talk.session) is not None
                await w.sessions.remove(talk.session)
                await w.commit()

        await asyncio.gather(ask(), remove())
        assert await store.reading.messages(talk.owner, talk.session, 10, None) is None
        assert await talk.find("osmosis") == []


@pytest.mark.parametrize("kind", ["message", "file"])
async def test_what_comes_too_late_for_a_deleted_session_is_told_so(
    postgresql_store: SqlStore, kind: str
) -> None:
    """SQLite lets one writer in at a time: there nobody can come between."""
    await postgresql_store.clear()
    talk = await a_talk(postgresql_store)

    async def add() -> None:
        async with postgresql_store.work() as w:
            assert await w.sessions.get(talk.session) is not None
            if kind == "message":
                w.messages.add(a_message(talk.session))
            else:
                w.files.add(a_file(talk.owner, session=talk.session))
            async with postgresql_store.work() as other:
                await other.sessions.remove(talk.session)
                adding = asyncio.create_task(w.commit())
                await asyncio.sleep(0.05)
                await other.commit()
            await adding

    with pytest.raises(SessionNotFound):
        await add()


class TestTheIndex:
    async def test_has_no_word_of_what_was_deleted_once_it_was_swept(self, sql: SqlStore) -> None:
        talk, other = await a_talk(sql), await a_talk(sql, "ben@example.org")
        await other.ask("Osmosis?")
        await talk.ask("A quetzalcoatl?")
        await other.ask("Diffusion?")
        async with sql.work() as w:
            await w.sessions.remove(talk.session)
            await w.commit()
        await sql.full_text.sweep()
        if sql.engine.dialect.name == "sqlite":
            left = await sql.rows("SELECT c0 FROM message_fts_content")
            assert left == [("osmosis",), ("diffusion",)]
            blocks = await sql.rows("SELECT block FROM message_fts_data")
            assert not any(b"quetzal" in block for (block,) in blocks)
        else:
            assert await sql.rows("SELECT content FROM message ORDER BY id") == [
                ("Osmosis?",),
                ("Diffusion?",),
            ]

    async def test_is_what_a_search_uses(self, sql: SqlStore) -> None:
        query = "explain "
        if sql.engine.dialect.name == "sqlite":
            rows = await sql.rows(
                "EXPLAIN QUERY PLAN SELECT id FROM message WHERE id IN"
                " (SELECT rowid FROM message_fts WHERE message_fts MATCH '\"osmosis\"*')"
            )
            assert any("VIRTUAL TABLE INDEX" in str(row) for row in rows), rows
        else:
            query = "EXPLAIN SELECT id FROM message WHERE search @@ '''osmosis'':*'::tsquery"
            async with sql.engine.connect() as connection:
                await connection.exec_driver_sql("SET enable_seqscan = off")
                rows = [tuple(row) for row in await connection.exec_driver_sql(query)]
            assert any("ix_message_search" in str(row) for row in rows), rows
