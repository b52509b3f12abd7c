import asyncio
from dataclasses import dataclass, field

import pytest

from application.chat.context import Budget, newest, overflows, untold
from application.chat.summary import SUMMARY_MAX, SummariseSession
from application.chat.upstreams import Upstreams, guarded
from application.chat.writing import written
from application.ports.language_model import ModelTimeout, ModelUnreachable, Prompt
from application.ports.persistence import Context
from domain.conversation import ChatSession, MemoryId, MessageId, SessionId, Speaker
from domain.user import UserId
from tests.builders import a_message, a_stored_session, a_user
from tests.fakes.clock import START
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.metrics import FakeReplyMetrics
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory

BUDGET = Budget(turns=400)
SESSION = SessionId(1)


@dataclass(eq=False)
class Desk:
    """A long conversation, and a model that writes summaries."""

    database: FakeDatabase = field(default_factory=FakeDatabase)
    model: FakeLanguageModel = field(default_factory=lambda: FakeLanguageModel("They spoke ", "of water."))

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)
        self.reading = FakeReading(self.database)
        metrics = FakeReplyMetrics()
        upstreams = Upstreams([guarded("llm", self.model, metrics)], metrics)
        self.summarise = SummariseSession(
            upstreams=upstreams, work=self.work, reading=self.reading, budget=BUDGET
        )

    async def said(self, exchanges: int, words: int = 20) -> None:
        async with self.work() as w:
            if SESSION not in self.database.tables.sessions:
                w.users.add(a_user("ann@example.org"))
                await w.flush()
                await a_stored_session(w, UserId(1))
            for n in range(exchanges):
                w.messages.add(a_message(SESSION, f"question {n} " + "word " * words))
                w.messages.add(a_message(SESSION, f"answer {n} " + "word " * words, Speaker.ASSISTANT))
            await w.commit()

    @property
    def session(self) -> ChatSession:
        return self.database.tables.sessions[SESSION]

    async def context(self) -> Context:
        return await self.reading.turns(SESSION, None, 60)


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.said(10)
    return desk


async def test_tells_what_falls_out_so_that_the_rest_fits(desk: Desk) -> None:
    assert overflows(await desk.context(), BUDGET)
    await desk.summarise(SESSION)
    context = await desk.context()
    assert context.summary == "They spoke of water."
    exchanges = untold(context)
    assert newest(exchanges, BUDGET.turns) == exchanges != []


async def test_neither_use_nor_count_change(desk: Desk) -> None:
    await desk.summarise(SESSION)
    assert (desk.session.updated_at, desk.session.message_count) == (START, 0)


async def test_takes_in_the_older_one(desk: Desk) -> None:
    await desk.summarise(SESSION)
    told = desk.session.summary_upto
    await desk.said(10)
    await desk.summarise(SESSION)
    assert desk.session.summary_upto is not None
    assert told is not None
    assert desk.session.summary_upto > told
    second = desk.model.prompts[1].input
    assert "They spoke of water." in second
    assert "question 0" not in second.partition("question 9")[0]


async def test_a_short_conversation_needs_none() -> None:
    desk = Desk()
    await desk.said(1)
    await desk.summarise(SESSION)
    assert (desk.session.summary, desk.model.prompts) == (None, [])


async def test_is_short_whatever_the_model_writes(desk: Desk) -> None:
    desk.model.pieces = ["word "] * 10_000
    await desk.summarise(SESSION)
    assert len(desk.session.summary or "") <= SUMMARY_MAX
    assert desk.model.said < 1000


async def test_a_very_long_past_is_read_in_portions() -> None:
    desk = Desk()
    await desk.said(30, words=400)
    for _ in range(30):
        await desk.summarise(SESSION)
    assert all(len(prompt.input) < 4 * 3000 for prompt in desk.model.prompts)
    assert len(desk.model.prompts) > 2
    assert len(untold(await desk.context())) <= 2


async def test_a_failing_model_loses_nothing(desk: Desk) -> None:
    desk.model.fails_with, desk.model.fails_after = ModelUnreachable(), 1
    with pytest.raises(ModelUnreachable):
        await desk.summarise(SESSION)
    assert (desk.session.summary, len((await desk.context()).turns)) == (None, 20)


async def test_a_silent_model_changes_nothing(desk: Desk) -> None:
    desk.model.pieces = []
    await desk.summarise(SESSION)
    assert desk.session.summary is None


async def test_two_at_once_leave_one(desk: Desk) -> None:
    await asyncio.gather(desk.summarise(SESSION), desk.summarise(SESSION))
    assert desk.session.summary == "They spoke of water."
    assert overflows(await desk.context(), BUDGET) is False


async def test_what_was_said_differently_meanwhile_is_not_told() -> None:
    desk = Desk()
    await desk.said(10)
    desk.model.hold_after = 0
    summarising = asyncio.create_task(desk.summarise(SESSION))
    while not desk.model.speaking:  # noqa: ASYNC110 (a fake tells nobody)
        await asyncio.sleep(0)
    async with desk.work() as w:
        edited = a_message(SESSION, "another question")
        w.messages.add(edited)
        await w.flush()
        await w.messages.supersede_from(MessageId(3), edited.id)
        await w.commit()
    desk.model.release()
    await summarising
    assert desk.session.summary is None


async def test_a_model_that_never_ends_is_given_up() -> None:
    model = FakeLanguageModel()
    model.hold_after = 0
    prompt = Prompt(user=UserId(1), memory=MemoryId(1), system="", input="?")
    with pytest.raises(ModelTimeout):
        await written(model, prompt, 100, patience_s=0.02)
    assert model.speaking == 0
