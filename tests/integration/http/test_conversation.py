"""What a model hears of a conversation, and what is written beside it: titles and summaries."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from typing_extensions import override

from tests.conftest import Valkey
from tests.integration.house import House, User, a_house
from tests.integration.waiting import until
from tests.servers.http import Exchange, Fault, Received
from tests.servers.llm_service import LlmServiceServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.script import Script

CHAT = "/v1/chat/completions"


class Writer(OpenAiChatServer):
    """Answers students as its script says, and writes `title` and `summary` when it is asked for them."""

    title, summary = '"Osmosis in plants"', "They spoke of the number 4711."

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        said = self.script
        if request.path == CHAT and (task := self.task(request)):
            self.script = Script(pieces=[self.title if task == "title" else self.summary])
        try:
            await super().respond(request, exchange)
        finally:
            self.script = said

    def task(self, request: Received) -> str | None:
        system = str(request.json()["messages"][0]["content"])
        return "title" if "titles" in system else "summary" if "minutes" in system else None

    def heard(self, task: str | None = None) -> list[list[dict[str, str]]]:
        """The messages of each request of this kind."""
        chats = [each for each in self.received if each.path == CHAT]
        return [each.json()["messages"] for each in chats if self.task(each) == task]


@pytest.fixture
async def model() -> AsyncIterator[Writer]:
    async with Writer(Script(pieces=["Water ", "moves."])) as server:
        yield server


@pytest.fixture
async def talkative(tmp_path: Path, redis: Redis, valkey: Valkey, model: Writer) -> AsyncIterator[House]:
    """A house with an OpenAI-compatible server, titles, and little room for what was said."""
    async with a_house(
        tmp_path,
        REDIS_URL=valkey.url,
        LLM_URL=f"openai+{model.url}/v1",
        LLM_MODEL="small-tutor",
        AUTO_TITLE="true",
        CONTEXT_TOKENS="300",
    ) as house:
        yield house


@pytest.fixture
async def eve(talkative: House) -> User:
    return await talkative.user()


async def session_of(user: User, id: int) -> dict[str, Any]:
    listed = (await user.get("/api/chat/history")).json()
    return next(dict(one) for one in listed if one["id"] == id)


async def titled(user: User, id: int, title: str) -> None:
    async def has_it() -> bool:
        return bool((await session_of(user, id))["title"] == title)

    await until(has_it)


async def test_earlier_turns_are_heard_in_order(eve: User, model: Writer) -> None:
    first = await eve.ask("What is osmosis?")
    await eve.ask("Why?", first.session)
    heard = [(turn["role"], turn["content"]) for turn in model.heard()[-1]]
    assert heard[1:] == [("user", "What is osmosis?"), ("assistant", "Water moves."), ("user", "Why?")]


async def test_a_question_without_an_answer_is_not_heard_again(eve: User, model: Writer) -> None:
    session = await eve.new_session("Biology")
    model.faults[CHAT] = Fault(status=500)
    await eve.ask("Lost?", session)
    model.faults.clear()
    await eve.ask("What is osmosis?", session)
    assert [turn["content"] for turn in model.heard()[-1]][1:] == ["What is osmosis?"]


async def test_another_session_hears_nothing_of_it(eve: User, model: Writer) -> None:
    await eve.ask("What is osmosis?")
    await eve.ask("Why?")
    assert [turn["content"] for turn in model.heard()[-1]][1:] == ["Why?"]


async def test_a_long_conversation_stays_short_and_gets_a_summary(
    talkative: House, eve: User, model: Writer
) -> None:
    session = await eve.new_session("Biology")
    for n in range(8):
        await eve.ask(f"My number is {n}. " + "word " * 60, session)

    async def summarised() -> bool:
        return (await talkative.sql(f"SELECT summary FROM session WHERE id = {session}")) == [
            (Writer.summary,)
        ]

    await until(summarised)
    used = (await session_of(eve, session))["updated_at"]
    await eve.ask("What is my number?", session)
    system, *turns, question = model.heard()[-1]
    assert "4711" in system["content"]
    assert question["content"] == "What is my number?"
    assert 0 < sum(len(turn["content"]) for turn in turns) < 4 * 300
    assert len(await eve.messages(session)) == 18
    assert (await session_of(eve, session))["updated_at"] > used


async def test_a_summary_that_fails_costs_nothing(talkative: House, eve: User, model: Writer) -> None:
    model.summary = "[[end=reset]]"
    session = await eve.new_session("Biology")
    for _ in range(8):
        assert (await eve.ask("word " * 60, session)).text == "Water moves."
    assert len(await eve.messages(session)) == 16


async def test_a_new_session_gets_a_title_after_its_first_answer(eve: User, model: Writer) -> None:
    told = await eve.ask("What is osmosis?")
    used = (await session_of(eve, told.session))["updated_at"]
    await titled(eve, told.session, "Osmosis in plants")
    await eve.ask("Why?", told.session)
    assert len(model.heard("title")) == 1
    assert used


async def test_titles_and_summaries_are_no_use_of_a_session(eve: User) -> None:
    told = await eve.ask("What is osmosis?")
    stored = (await eve.messages(told.session))[-1]["created_at"]
    await titled(eve, told.session, "Osmosis in plants")
    session = await session_of(eve, told.session)
    assert session["message_count"] == 2
    assert session["updated_at"] >= stored


async def test_the_subject_in_front_stays(eve: User) -> None:
    told = await eve.ask("[BIO] What is osmosis?")
    session = await eve.new_session("[BIO] New Chat")
    await eve.ask("What is osmosis?", session)
    await titled(eve, told.session, "[BIO] Osmosis in plants")
    await titled(eve, session, "[BIO] Osmosis in plants")


async def test_a_chosen_title_stays(eve: User, model: Writer) -> None:
    session = await eve.new_session("My own")
    await eve.ask("What is osmosis?", session)
    other = await eve.ask("What is osmosis?")
    await titled(eve, other.session, "Osmosis in plants")  # by then the first one has been looked at too
    assert (await session_of(eve, session))["title"] == "My own"
    assert len(model.heard("title")) == 1


async def test_an_llm_service_is_asked_for_answers_alone(
    tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> None:
    llm.received.clear()
    async with a_house(
        tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, AUTO_TITLE="true", CONTEXT_TOKENS="50"
    ) as house:
        ann = await house.user()
        questions = [f"Question {n}? " + "word " * 60 for n in range(4)]
        session = (await ann.ask(questions[0])).session
        for question in questions[1:]:
            await ann.ask(question, session)
        jobs = await house.sql("SELECT kind FROM job WHERE kind IN ('title_session', 'summarise_session')")
        heard = [each.json()["input"] for each in llm.received if each.path == "/chat/stream"]
        assert (heard, jobs) == ([question.strip() for question in questions], [])
