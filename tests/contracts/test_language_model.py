"""What every LanguageModel promises, asked of the fake and of each adapter against its protocol's server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import pytest

from adapters.http.llm_service import LlmService
from adapters.http.openai_chat import OpenAiChat
from application.chat.reply import Reply
from application.ports.language_model import (
    NOT_AVAILABLE,
    ActivationUnsupported,
    LanguageModel,
    Model,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    Prompt,
    UnknownModel,
)
from domain.conversation import MemoryId, MessageId, SessionId
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.language_model import FakeLanguageModel
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.models import ModelServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.proxy import TcpProxy
from tests.servers.script import End, Script
from tests.transports import TRANSPORTS, client_over

PROMPT = Prompt(user=UserId(7), memory=MemoryId(41), system="Be kind.", input="Why are leaves green?")
IDLE = 1.2
ODD = ["a\u2028b", "\u0085", "c\x0bd\x0c", "data: ", '"data: {"', "\n", "\r\n", "\\", " ", "文档 🎓"]


@dataclass
class Subject:
    """A model, and how to make what lies behind it behave."""

    model: LanguageModel
    play: Callable[[Script], None]
    go_away: Callable[[], AbstractAsyncContextManager[None]]
    open_streams: Callable[[], int]
    asked: Callable[[], int]
    ail: Callable[[DomainError, Fault], None]


@asynccontextmanager
async def faked() -> AsyncIterator[Subject]:
    model = FakeLanguageModel()
    failures: dict[End, DomainError] = {
        "eof": ModelFailed(),
        "error": ModelFailed(),
        "hang": ModelTimeout(),
        "reset": ModelFailed(),
    }

    def play(script: Script) -> None:
        model.pieces = list(script.pieces or [])
        model.fails_with = failures.get(script.end)
        if script.gap or script.first_after:
            model.hold_after = 1 if script.gap else 0
        if script.status != 200 or script.content_type != "text/event-stream":
            model.fails_with, model.fails_after = ModelFailed(), 0
        if script.status in (429, 503):
            asked = script.headers.get("retry-after")
            model.fails_with = ModelUnreachable(retry_after=int(asked) if asked else None)

    @asynccontextmanager
    async def go_away() -> AsyncIterator[None]:
        model.fails_with, model.fails_after = ModelUnreachable(), 0
        model.unwell = ModelUnreachable()
        yield

    def ail(error: DomainError, fault: Fault) -> None:
        model.unwell = error

    yield Subject(model, play, go_away, lambda: model.speaking, lambda: len(model.prompts), ail)


@asynccontextmanager
async def served(
    server: ModelServer, path: str, health: str, make: Callable[[str], LanguageModel]
) -> AsyncIterator[Subject]:
    async with server, TcpProxy(("127.0.0.1", server.port)) as proxy:

        def play(script: Script) -> None:
            server.script = script

        @asynccontextmanager
        async def go_away() -> AsyncIterator[None]:
            await proxy.refuse()
            yield
            await proxy.accept()

        def ail(error: DomainError, fault: Fault) -> None:
            server.faults[health] = fault

        def open_streams() -> int:
            return len(server.asked(path)) - len(server.abandoned)

        model = make(f"http://127.0.0.1:{proxy.port}")
        yield Subject(model, play, go_away, open_streams, lambda: len(server.asked(path)), ail)


@asynccontextmanager
async def llm_service(transport: str) -> AsyncIterator[Subject]:
    async with client_over(transport) as client:
        server = LlmServiceServer()
        made = served(server, "/chat/stream", "/health", lambda url: LlmService(client, url, idle_s=IDLE))
        async with made as subject:
            yield subject


@asynccontextmanager
async def openai_chat(transport: str) -> AsyncIterator[Subject]:
    async with client_over(transport) as client:

        def make(url: str) -> LanguageModel:
            return OpenAiChat(client, url + "/v1", "small-tutor", "key-1", idle_s=IDLE)

        server = OpenAiChatServer(api_key="key-1")
        async with served(server, "/v1/chat/completions", "/v1/models", make) as subject:
            yield subject


SUBJECTS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {
    "faked": faked,
    **{f"llm_service-{transport}": partial(llm_service, transport) for transport in TRANSPORTS},
    **{f"openai_chat-{transport}": partial(openai_chat, transport) for transport in TRANSPORTS},
}


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    async with SUBJECTS[request.param]() as made:
        yield made


async def said_by(model: LanguageModel) -> str:
    """The pieces of a reply, none of them empty, in one."""
    pieces = [piece async for piece in model.stream(PROMPT)]
    assert all(pieces)
    return "".join(pieces)


async def settled(condition: Callable[[], bool], within: float) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 (what it waits for happens in a server, without an event)
            await asyncio.sleep(0.002)


async def test_a_reply_comes_in_order(subject: Subject) -> None:
    subject.play(Script(pieces=["Leaves ", "are", " green."]))

    assert await said_by(subject.model) == "Leaves are green."
    assert subject.asked() == 1


async def test_text_arrives_exactly_whatever_is_in_it(subject: Subject) -> None:
    subject.play(Script(pieces=ODD))

    assert await said_by(subject.model) == "".join(ODD)


@pytest.mark.parametrize("split", [1, 3, 7])
async def test_no_split_of_the_bytes_changes_a_reply(subject: Subject, split: int) -> None:
    subject.play(Script(pieces=ODD, split=split))

    assert await said_by(subject.model) == "".join(ODD)


async def test_no_piece_is_empty(subject: Subject) -> None:
    subject.play(Script(pieces=["", "a", "", "b", ""]))

    assert await said_by(subject.model) == "ab"


async def test_the_end_mark_ends_a_stream_that_stays_open(subject: Subject) -> None:
    subject.play(Script(pieces=["a"], end="open"))

    async with asyncio.timeout(IDLE / 2):
        assert await said_by(subject.model) == "a"
    await settled(lambda: subject.open_streams() == 0, 0.2)


async def test_an_answer_without_text_is_no_error_here(subject: Subject) -> None:
    subject.play(Script(pieces=[]))

    assert await said_by(subject.model) == ""


@pytest.mark.parametrize("end", ["eof", "error", "reset"])
async def test_what_breaks_off_has_failed_and_what_was_said_came_first(subject: Subject, end: End) -> None:
    subject.play(Script(pieces=["a", "b"], end=end))

    said = ""

    async def listen() -> None:
        nonlocal said
        async for piece in subject.model.stream(PROMPT):
            said += piece

    with pytest.raises(ModelFailed) as caught:
        await listen()

    assert said == "ab"
    assert caught.value.msg == NOT_AVAILABLE
    assert subject.asked() == 1  # nothing is retried


@pytest.mark.parametrize("status", [302, 400, 404, 500])
async def test_a_bad_status_has_failed(subject: Subject, status: int) -> None:
    away = {"location": "http://127.0.0.1:9/elsewhere"}
    subject.play(
        Script(status=status, body=b"<html>at 10.0.0.7</html>", content_type="text/html", headers=away)
    )

    with pytest.raises(ModelFailed) as caught:
        await said_by(subject.model)

    assert caught.value.msg == NOT_AVAILABLE
    assert subject.asked() == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", [None, 7])
async def test_a_server_that_is_full_is_unreachable_for_as_long_as_it_says(
    subject: Subject, status: int, asked: int | None
) -> None:
    headers = {} if asked is None else {"retry-after": str(asked)}
    subject.play(Script(status=status, body=b"{}", content_type="application/json", headers=headers))

    with pytest.raises(ModelUnreachable) as caught:
        await said_by(subject.model)

    assert caught.value.retry_after == asked
    assert subject.asked() == 1


async def test_a_page_instead_of_a_stream_has_failed(subject: Subject) -> None:
    subject.play(Script(content_type="text/html", body=b"<html>login</html>"))

    with pytest.raises(ModelFailed):
        await said_by(subject.model)


@pytest.mark.parametrize("pieces", [[], ["a"]])
async def test_silence_is_a_timeout(subject: Subject, pieces: list[str]) -> None:
    subject.play(Script(pieces=pieces, end="hang"))

    async with asyncio.timeout(IDLE * 3):
        with pytest.raises(ModelTimeout):
            await said_by(subject.model)


async def test_nobody_there_is_unreachable(subject: Subject) -> None:
    async with subject.go_away():
        with pytest.raises(ModelUnreachable):
            await said_by(subject.model)
        with pytest.raises(ModelUnreachable):
            await subject.model.check()


async def test_closing_closes_upstream_at_once(subject: Subject) -> None:
    subject.play(Script(pieces=["a"] * 1000, gap=0.01))

    async with aclosing(subject.model.stream(PROMPT)) as pieces:
        assert await anext(pieces) == "a"
        assert subject.open_streams() == 1

    await settled(lambda: subject.open_streams() == 0, 0.2)


async def test_giving_up_before_the_first_piece_closes_upstream_at_once(subject: Subject) -> None:
    subject.play(Script(pieces=["a"], first_after=60))
    waiting = asyncio.create_task(said_by(subject.model))
    await settled(lambda: subject.open_streams() == 1, 1)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await settled(lambda: subject.open_streams() == 0, 0.2)


async def test_a_stream_never_read_asks_nothing(subject: Subject) -> None:
    await subject.model.stream(PROMPT).aclose()

    assert subject.asked() == 0


async def test_many_replies_at_once_stay_apart(subject: Subject) -> None:
    subject.play(Script(pieces=["a", "b", "c"]))

    replies = await asyncio.gather(*(said_by(subject.model) for _ in range(20)))

    assert replies == ["abc"] * 20


async def test_a_model_that_can_be_asked_is_well(subject: Subject) -> None:
    assert subject.model.name
    await subject.model.check()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ModelFailed(), Fault(status=500, body=b"{}")),
        (ModelFailed(), Fault(status=200, body=b"<html>", content_type="text/html")),
        (ModelFailed(), Fault(status=302, headers={"location": "/"})),
        (ModelFailed(), Fault(reset=True)),
    ],
)
async def test_a_model_that_answers_wrongly_is_unwell(
    subject: Subject, error: DomainError, fault: Fault
) -> None:
    subject.ail(error, fault)

    with pytest.raises(type(error)):
        await subject.model.check()


async def test_a_model_that_takes_too_long_to_say_so_is_unwell(subject: Subject) -> None:
    subject.ail(ModelTimeout(), Fault(hang=True))

    async with asyncio.timeout(2.5):
        with pytest.raises(ModelTimeout):
            await subject.model.check()


async def test_the_models_are_those_of_the_server_the_asked_one_marked(subject: Subject) -> None:
    """A protocol without a list gives none."""
    if isinstance(subject.model, FakeLanguageModel):
        subject.model.listed = [Model("small-tutor", "tests", active=True)]
    listed = await subject.model.models()
    expected = [] if isinstance(subject.model, LlmService) else [Model("small-tutor", "tests", active=True)]
    assert list(listed) == expected


async def test_the_models_of_a_server_that_is_away_are_not_known(subject: Subject) -> None:
    async with subject.go_away():
        with pytest.raises(ModelUnreachable):
            await subject.model.models()


async def test_the_models_of_a_server_that_answers_wrongly_are_not_known(subject: Subject) -> None:
    subject.ail(ModelFailed(), Fault(status=500, body=b"{}"))
    with pytest.raises(ModelFailed):
        await subject.model.models()


async def test_a_model_is_activated_and_then_the_active_one_or_that_is_not_to_be_had(
    subject: Subject,
) -> None:
    if isinstance(subject.model, FakeLanguageModel):
        subject.model.listed = [Model("small", active=True), Model("large:8b")]
    if isinstance(subject.model, OpenAiChat):
        with pytest.raises(ActivationUnsupported):
            await subject.model.activate("small-tutor")
        return

    await subject.model.activate("large:8b")
    assert [model.name for model in await subject.model.models() if model.active] == ["large:8b"]

    with pytest.raises(UnknownModel) as caught:
        await subject.model.activate("absent")
    assert "absent" in str(caught.value.extra["detail"])
    assert [model.name for model in await subject.model.models() if model.active] == ["large:8b"]


# What only a wire can do.

BROKEN = [b"data: {broken\n\n", b"data: \xff\xfe\n\n", b"data: " + b"[" * 5000 + b"\n\n", b"<html>\n"]
MB = 1024 * 1024


@pytest.fixture(params=[name for name in SUBJECTS if name != "faked"])
async def wired(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    async with SUBJECTS[request.param]() as made:
        yield made


async def test_a_little_malformed_json_costs_no_answer(wired: Subject) -> None:
    wired.play(Script(pieces=["a", "b"], raw=BROKEN))

    assert await said_by(wired.model) == "ab"


async def test_much_malformed_json_has_failed(wired: Subject) -> None:
    wired.play(Script(pieces=["a"], raw=BROKEN * 10, end="hang"))

    with pytest.raises(ModelFailed):
        await said_by(wired.model)
    await settled(lambda: wired.open_streams() == 0, 0.2)


@pytest.mark.parametrize("prefix", [b"data: ", b"data:"])
@pytest.mark.parametrize("split", [0, 1])
async def test_lines_may_end_in_crlf(wired: Subject, prefix: bytes, split: int) -> None:
    wired.play(Script(pieces=ODD, newline=b"\r\n", prefix=prefix, split=split))

    assert await said_by(wired.model) == "".join(ODD)


async def test_a_reply_that_drips_too_slowly_for_an_event_is_silence(wired: Subject) -> None:
    wired.play(Script(pieces=["a"], split=1, drip=IDLE / 10))

    async with asyncio.timeout(IDLE * 3):
        with pytest.raises(ModelTimeout):
            await said_by(wired.model)
    await settled(lambda: wired.open_streams() == 0, 0.2)


async def test_an_event_of_megabytes_has_failed_before_it_is_read(wired: Subject) -> None:
    wired.play(Script(pieces=["x" * (16 * MB)], end="hang"))

    async with asyncio.timeout(10):
        with pytest.raises(ModelFailed):
            await said_by(wired.model)
    await settled(lambda: wired.open_streams() == 0, 2)


async def test_a_text_without_end_has_failed(wired: Subject) -> None:
    wired.play(Script(pieces=["x" * (MB // 8)] * 1000, end="hang"))

    async with asyncio.timeout(10):
        with pytest.raises(ModelFailed):
            await said_by(wired.model)
    await settled(lambda: wired.open_streams() == 0, 2)


async def test_the_first_end_mark_counts(wired: Subject) -> None:
    wired.play(Script(pieces=["a"], end="twice"))

    assert await said_by(wired.model) == "a"


async def test_an_error_may_come_first(wired: Subject) -> None:
    wired.play(Script(pieces=[], end="error"))

    with pytest.raises(ModelFailed) as caught:
        await said_by(wired.model)

    assert "10.0.0.7" not in str(caught.value)


async def test_halves_of_a_character_stay_whole_over_two_events(wired: Subject) -> None:
    wired.play(Script(pieces=["a", "\ud83d", "\ude00"], gap=0.01))

    reply = Reply(SessionId(1), MessageId(1))
    async for piece in wired.model.stream(PROMPT):
        reply.say(piece)
    assert reply.text == "a\U0001f600"


async def test_a_broken_reply_disturbs_no_other(wired: Subject) -> None:
    """Each fault beside a reply that is well."""
    faults: list[End] = ["eof", "error", "hang", "reset", "open", "twice"]
    wired.play(Script(pieces=["a"] * 20, gap=0.02))
    stream = wired.model.stream(PROMPT)
    said = [await anext(stream)]

    async def listen() -> None:
        said.extend([piece async for piece in stream])

    well = asyncio.create_task(listen())
    for end in faults:
        wired.play(Script(pieces=["a"], end=end))
        with suppress(ModelFailed, ModelTimeout):
            await said_by(wired.model)

    await well
    assert "".join(said) == "a" * 20
