"""Design 8, UP-10: when the model is away another one answers, and when it is back it is asked again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from typing_extensions import override

from adapters.sql import migrate
from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.house import User, a_house, running, settings_for
from tests.integration.waiting import until
from tests.servers.http import Exchange, Fault, HttpServer, Received
from tests.servers.llm_service import LlmServiceServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.script import Script

CHAT = "/chat/stream"


@pytest.fixture
async def service() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer(Script(pieces=["I am ", "the service."])) as server:
        yield server


@pytest.fixture
async def standby() -> AsyncIterator[OpenAiChatServer]:
    async with OpenAiChatServer(Script(pieces=["I am ", "standing by."]), api_key="key-2") as server:
        yield server


class Slow(LlmServiceServer):
    """Says nothing before it is `ready`."""

    def __init__(self, script: Script, port: int) -> None:
        super().__init__(script, port)
        self.ready = asyncio.Event()

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        await self.ready.wait()
        await super().respond(request, exchange)


@asynccontextmanager
async def somebody(
    folder: Path, valkey: Valkey, first: str, standby: OpenAiChatServer, **environ: str
) -> AsyncIterator[User]:
    """Who asks in a house with a model and another one for when it fails."""
    fallback = f"openai+{standby.url.replace('//', '//:key-2@')}/v1#small-tutor"
    async with a_house(
        folder, REDIS_URL=valkey.url, LLM_URL=first, LLM_FALLBACK_URLS=fallback, **environ
    ) as house:
        yield await house.user()


@pytest.fixture
async def ann(
    tmp_path: Path, redis: Redis, valkey: Valkey, service: LlmServiceServer, standby: OpenAiChatServer
) -> AsyncIterator[User]:
    async with somebody(tmp_path, valkey, service.url, standby) as user:
        yield user


def asked(server: HttpServer) -> int:
    """How many questions came to it."""
    return len(server.asked(CHAT)) + len(server.asked("/v1/chat/completions"))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(reset=True),
        Fault(status=500, body=b'{"error":"CUDA"}'),
        Fault(status=503),
        Fault(status=200, body=b"<html>", content_type="text/html"),
    ],
    ids=["reset", "500", "503", "html"],
)
async def test_the_fallback_answers_when_the_model_fails(
    ann: User, service: LlmServiceServer, standby: OpenAiChatServer, fault: Fault
) -> None:
    service.faults[CHAT] = fault
    told = await ann.ask("Who are you?")
    assert (told.kinds, told.text) == (["streaming", "finished", "complete"], "I am standing by.")
    assert (asked(service), asked(standby)) == (1, 1)
    assert [m["content"] for m in await ann.messages(told.session)][1:] == ["I am standing by."]


@pytest.mark.parametrize(
    "script", [Script(pieces=[]), Script(pieces=[], end="error"), Script(pieces=[], end="reset")]
)
async def test_a_reply_without_a_word_is_answered_by_the_fallback(
    ann: User, service: LlmServiceServer, script: Script
) -> None:
    service.script = script
    assert (await ann.ask("Who are you?")).text == "I am standing by."


async def test_after_the_first_word_there_is_no_second_generation(
    ann: User, service: LlmServiceServer, standby: OpenAiChatServer
) -> None:
    service.script = Script(pieces=["I am "], end="reset")
    told = await ann.ask("Who are you?")
    assert (told.kinds, told.text) == (["streaming", "error", "complete"], "I am ")
    assert asked(standby) == 0


async def test_when_all_fail_the_status_says_so(
    ann: User, service: LlmServiceServer, standby: OpenAiChatServer
) -> None:
    service.faults[CHAT] = Fault(status=503, headers={"retry-after": "7"})
    standby.faults["*"] = Fault(reset=True)
    told = await ann.ask("Who are you?")
    assert (told.response.status_code, told.response.headers["retry-after"]) == (503, "7")
    assert told.response.json()["msg"] == "The tutor is not available right now. Please try again."


async def test_a_model_that_asks_for_a_pause_gets_it(
    ann: User, service: LlmServiceServer, standby: OpenAiChatServer
) -> None:
    service.faults[CHAT] = Fault(status=429, headers={"retry-after": "1"})
    assert (await ann.ask("One?")).text == "I am standing by."
    service.faults.clear()
    assert (await ann.ask("Two?")).text == "I am standing by."
    assert asked(service) == 1
    await asyncio.sleep(1.1)
    assert (await ann.ask("Three?")).text == "I am the service."


async def test_a_model_that_is_down_is_left_alone_and_asked_again_when_it_is_back(
    tmp_path: Path, redis: Redis, valkey: Valkey, standby: OpenAiChatServer
) -> None:
    port = free_port()
    async with somebody(tmp_path, valkey, f"http://127.0.0.1:{port}", standby) as ann:
        for _ in range(6):
            assert (await ann.ask("Who are you?")).text == "I am standing by."
        async with LlmServiceServer(Script(pieces=["I am back."]), port) as service:
            assert (await ann.ask("Who are you?")).text == "I am standing by."
            assert asked(service) == 0
            await asyncio.sleep(5)
            assert (await ann.ask("Who are you?")).text == "I am back."


async def test_the_model_hears_what_was_said_while_it_was_away(ann: User, service: LlmServiceServer) -> None:
    first = await ann.ask("What is salt?")
    service.faults[CHAT] = Fault(status=500)
    await ann.ask("And sugar?", first.session)
    service.faults.clear()
    await ann.ask("And flour?", first.session)
    (before, after) = ((key, heard) for key, heard in service.memories.items())
    assert before[1] == ["What is salt?"]
    assert (after[0] != before[0], len(after[1])) == (True, 1)
    told = after[1][0]
    said = ["What is salt?", "I am the service.", "And sugar?", "I am standing by.", "And flour?"]
    assert [told.count(text) for text in said] == [1] * 5
    assert sorted(said, key=told.index) == said
    await ann.ask("And rice?", first.session)
    assert service.memories[after[0]][1:] == ["And rice?"]


async def test_the_fallback_hears_what_was_said_before_it(
    ann: User, service: LlmServiceServer, standby: OpenAiChatServer
) -> None:
    first = await ann.ask("What is salt?")
    service.faults[CHAT] = Fault(reset=True)
    await ann.ask("And sugar?", first.session)
    (request,) = [each for each in standby.received if each.path.endswith("completions")]
    turns = [(turn["role"], turn["content"]) for turn in request.json()["messages"]][1:]
    assert turns == [
        ("user", "What is salt?"),
        ("assistant", "I am the service."),
        ("user", "And sugar?"),
    ]


async def test_twenty_questions_to_a_model_that_comes_back_make_one_probe(
    tmp_path: Path, redis: Redis, valkey: Valkey, standby: OpenAiChatServer
) -> None:
    port = free_port()
    async with somebody(tmp_path, valkey, f"http://127.0.0.1:{port}", standby) as ann:
        for _ in range(5):
            await ann.ask("Who are you?")
        async with Slow(Script(pieces=["I am back."]), port) as service:
            await asyncio.sleep(5)
            asking = [asyncio.create_task(ann.ask("Who are you?")) for _ in range(20)]

            async def all_but_one() -> bool:
                return sum(each.done() for each in asking) == 19

            await until(all_but_one, 20)
            assert asked(service) == 1
            service.ready.set()
            texts = [each.text for each in await asyncio.gather(*asking)]
            assert (texts.count("I am back."), texts.count("I am standing by.")) == (1, 19)


async def test_the_embedded_model_may_stand_in(
    tmp_path: Path, redis: Redis, valkey: Valkey, standby: OpenAiChatServer
) -> None:
    standby.models = ["embedded"]
    settings = settings_for(
        tmp_path, REDIS_URL=valkey.url, LLM_URL="http://127.0.0.1:9", LLM_FALLBACK_URLS="embedded"
    )
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url)
    async with running(settings) as house:
        ann = await house.user()
        assert (await ann.ask("Who are you?")).response.status_code == 503
    place = (f"openai+{standby.url}/v1", "key-2")
    async with running(replace(settings, embedded_llm=place)) as house:
        ann = await house.login("ann@example.org")
        assert (await ann.ask("Who are you?")).text == "I am standing by."
    (request,) = standby.asked("/v1/chat/completions")
    assert request.json()["max_tokens"] == 300
