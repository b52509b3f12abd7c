import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.chat.title import TitleSession, is_automatic, title_from
from application.chat.upstreams import Upstreams, guarded
from application.ports.language_model import ModelUnreachable
from application.ports.persistence import Context, Told
from domain.conversation import TITLE_MAX, MessageId, SessionId, Speaker
from domain.user import UserId
from tests.builders import a_message, a_stored_session, a_user
from tests.fakes.clock import START
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.metrics import FakeReplyMetrics
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory

QUESTION = "What does osmosis move, and which way does it go when both sides are salty?"
FIRST_WORDS = QUESTION[:50]


@dataclass(eq=False)
class Desk:
    """A session with one exchange, and a model that writes titles."""

    database: FakeDatabase = field(default_factory=FakeDatabase)
    model: FakeLanguageModel = field(default_factory=lambda: FakeLanguageModel("Which way water goes"))

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)

    async def opened(self, title: str = FIRST_WORDS) -> SessionId:
        async with self.work() as w:
            w.users.add(a_user("ann@example.org"))
            await w.flush()
            session = await a_stored_session(w, UserId(1), title)
            w.messages.add(a_message(session.id, QUESTION))
            w.messages.add(a_message(session.id, "Water, towards the salt.", Speaker.ASSISTANT))
            await w.commit()
        return session.id

    async def titled(self, session: SessionId) -> str:
        metrics = FakeReplyMetrics()
        upstreams = Upstreams([guarded("llm", self.model, metrics)], metrics)
        await TitleSession(upstreams=upstreams, work=self.work, reading=FakeReading(self.database))(session)
        return self.title(session)

    def title(self, session: SessionId) -> str:
        return self.database.tables.sessions[session].title


@pytest.mark.parametrize("title", [FIRST_WORDS, "New Chat", "Untitled"])
async def test_an_automatic_title_is_replaced(title: str) -> None:
    desk = Desk()
    session = await desk.opened(title)
    assert await desk.titled(session) == "Which way water goes"
    (prompt,) = desk.model.prompts
    assert QUESTION in prompt.input
    assert "Water, towards the salt." in prompt.input


async def test_neither_use_nor_count_change() -> None:
    desk = Desk()
    session = await desk.opened()
    await desk.titled(session)
    stored = desk.database.tables.sessions[session]
    assert (stored.updated_at, stored.message_count) == (START, 0)


async def test_a_chosen_title_stays_and_nobody_is_asked() -> None:
    desk = Desk()
    assert await desk.titled(await desk.opened("Biology")) == "Biology"
    assert desk.model.prompts == []


async def test_a_title_chosen_meanwhile_stays() -> None:
    desk = Desk()
    session = await desk.opened()

    desk.model.hold_after = 0
    titling = asyncio.create_task(desk.titled(session))
    while not desk.model.speaking:  # noqa: ASYNC110 (a fake tells nobody)
        await asyncio.sleep(0)
    async with desk.work() as w:
        stored = await w.sessions.hold(session)
        assert stored is not None
        stored.title = "My own"
        await w.commit()
    desk.model.release()
    assert await titling == "My own"


async def test_the_mark_in_front_stays() -> None:
    desk = Desk()
    assert await desk.titled(await desk.opened("[BIO] New Chat")) == "[BIO] Which way water goes"


async def test_a_model_that_is_away_is_asked_again_later() -> None:
    desk = Desk()
    session = await desk.opened()
    desk.model.fails_with, desk.model.fails_after = ModelUnreachable(), 0
    with pytest.raises(ModelUnreachable):
        await desk.titled(session)
    assert desk.title(session) == FIRST_WORDS


async def test_a_model_that_remembers_is_never_asked() -> None:
    desk = Desk()
    desk.model.remembers = True
    assert await desk.titled(await desk.opened()) == FIRST_WORDS
    assert desk.model.prompts == []


async def test_a_deleted_session_needs_none() -> None:
    desk = Desk()
    session = await desk.opened()
    async with desk.work() as w:
        await w.sessions.remove(session)
        await w.commit()
    metrics = FakeReplyMetrics()
    upstreams = Upstreams([guarded("llm", desk.model, metrics)], metrics)
    await TitleSession(upstreams=upstreams, work=desk.work, reading=FakeReading(desk.database))(session)
    assert desk.model.prompts == []


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ('"Osmosis in cells."', "Osmosis in cells"),
        ("Title: Osmosis", "Osmosis"),
        ("**Osmosis**\n\nThis title says …", "Osmosis"),
        ("“渗透作用”", "渗透作用"),
        ("[CHEM] Osmosis", "Osmosis"),
        ("\n \n  Water   and\tsalt", "Water and salt"),
        ("x" * 300, "x" * TITLE_MAX),
        ("", None),
        ('""', None),
        ("[BIO]", None),
    ],
)
def test_of_what_was_written_the_title_is_taken(written: str, title: str | None) -> None:
    assert title_from(written, "New Chat") == title


@given(st.text(max_size=400), st.sampled_from(["New Chat", "[BIO] New Chat", "[BIO] What is", "[a]"]))
def test_a_title_is_one_short_line_with_the_old_mark(written: str, old: str) -> None:
    title = title_from(written, old)
    if title is None:
        return
    assert len(title.splitlines()) == 1
    assert 0 < len(title) <= TITLE_MAX
    if old.startswith("["):
        assert title.startswith(old[: old.index("]") + 1] + " ")


def test_what_is_automatic() -> None:
    context = Context([Told(MessageId(1), Speaker.USER, QUESTION)])
    assert is_automatic(FIRST_WORDS, context)
    assert is_automatic("[BIO]", context)
    assert not is_automatic("Osmosis", context)
