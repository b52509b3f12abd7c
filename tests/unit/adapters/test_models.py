"""What only the wire shows: what each model protocol is asked, and what its oddities come to."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx
import pytest

from adapters.http.llm_service import LlmService
from adapters.http.openai_chat import OpenAiChat
from application.ports.language_model import (
    ActivationFailed,
    ActivationTimeout,
    ActivationUnreachable,
    ActivationUnsupported,
    LanguageModel,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    Prompt,
    Turn,
    UnknownModel,
)
from domain.conversation import MemoryId, Speaker
from domain.errors import DomainError
from domain.user import UserId
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.script import Script
from tests.transports import TRANSPORTS, client_over

PROMPT = Prompt(user=UserId(7), memory=MemoryId(41), system="Be kind.", input="Why?\n\n=== X ===")
TURNS = [Turn(Speaker.USER, "Hi."), Turn(Speaker.ASSISTANT, "Hello.")]
MB = 1024 * 1024


@pytest.fixture(params=TRANSPORTS)
async def client(request: pytest.FixtureRequest) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_over(request.param) as made:
        yield made


@pytest.fixture
async def service() -> AsyncGenerator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        yield server


@pytest.fixture
async def openai() -> AsyncGenerator[OpenAiChatServer]:
    async with OpenAiChatServer() as server:
        yield server


async def said_by(model: LanguageModel, prompt: Prompt = PROMPT) -> str:
    return "".join([piece async for piece in model.stream(prompt)])


async def test_the_service_is_told_user_memory_and_input(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    await said_by(LlmService(client, service.url + "/"))

    (request,) = service.received
    assert request.path == "/chat/stream"
    assert request.json() == {"user_id": 7, "session_id": 41, "input": PROMPT.input}


async def test_a_service_that_heard_nothing_yet_is_told_what_was_said(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    prompt = replace(PROMPT, turns=TURNS, retold="Earlier: Hi.\0 Now: Why?")
    model = LlmService(client, service.url)

    await said_by(model, prompt)

    assert service.received[0].json()["input"] == "Earlier: Hi.\ufffd Now: Why?"
    assert model.remembers


async def test_a_chat_is_told_system_turns_and_input(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    model = OpenAiChat(client, openai.url + "/v1", "small-tutor")

    await said_by(model, replace(PROMPT, turns=TURNS, retold="not for a chat"))

    assert openai.received[0].json()["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": PROMPT.input},
    ]
    assert not model.remembers


async def test_a_chat_is_told_system_and_input(client: httpx.AsyncClient, openai: OpenAiChatServer) -> None:
    await said_by(OpenAiChat(client, openai.url + "/v1", "small-tutor"))

    (request,) = openai.received
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": PROMPT.input}]
    assert request.json() == {"model": "small-tutor", "stream": True, "messages": turns}
    assert "authorization" not in request.headers


async def test_a_chat_is_told_temperature_length_and_key(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    openai.api_key = "key-1"
    prompt = Prompt(
        user=UserId(7), memory=MemoryId(41), system="", input="Why?", temperature=0.0, max_tokens=64
    )
    model = OpenAiChat(client, openai.url + "/v1", "small-tutor", "key-1")

    assert await said_by(model, prompt)

    asked = openai.received[0].json()
    assert (asked["temperature"], asked["max_tokens"], len(asked["messages"])) == (0.0, 64, 1)
    assert "key-1" not in repr(model)


async def test_a_wrong_key_has_failed(client: httpx.AsyncClient, openai: OpenAiChatServer) -> None:
    openai.api_key = "key-1"

    with pytest.raises(ModelFailed):
        await said_by(OpenAiChat(client, openai.url + "/v1", "small-tutor", "key-2"))


async def test_without_a_model_the_first_listed_one_is_asked(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    openai.models = ["one", "two"]
    model = OpenAiChat(client, openai.url + "/v1")

    await said_by(model)
    await said_by(model)

    assert [request.json()["model"] for request in openai.asked("/v1/chat/completions")] == ["one", "one"]
    assert len(openai.asked("/v1/models")) == 1


async def test_a_check_notices_that_the_server_changed_its_model(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    model = OpenAiChat(client, openai.url + "/v1")
    await said_by(model)
    openai.models = ["other"]

    await model.check()

    assert await said_by(model)


async def test_a_server_without_a_model_has_failed(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    openai.models = []
    model = OpenAiChat(client, openai.url + "/v1")

    with pytest.raises(ModelFailed):
        await said_by(model)
    with pytest.raises(ModelFailed):
        await model.check()


@pytest.mark.parametrize(("finish", "done"), [(True, True), (True, False), (False, True)])
async def test_either_end_mark_ends_a_chat(
    client: httpx.AsyncClient, openai: OpenAiChatServer, finish: bool, done: bool
) -> None:
    openai.finish, openai.done, openai.script = finish, done, Script(pieces=["a"], end="open")

    assert await said_by(OpenAiChat(client, openai.url + "/v1", "small-tutor")) == "a"


async def test_a_chat_without_any_end_mark_has_failed(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    openai.finish = openai.done = False

    with pytest.raises(ModelFailed):
        await said_by(OpenAiChat(client, openai.url + "/v1", "small-tutor"))


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"error":{"message":"at 10.0.0.7","code":500}}\n\n',
        b'data: {"error":"at 10.0.0.7"}\n\n',
        b'data: {"object":"error","message":"at 10.0.0.7"}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"error"}]}\n\n',
    ],
)
async def test_an_error_within_a_chat_is_one(
    client: httpx.AsyncClient, openai: OpenAiChatServer, line: bytes
) -> None:
    openai.script = Script(pieces=["a"], raw=[line])

    with pytest.raises(ModelFailed) as caught:
        await said_by(OpenAiChat(client, openai.url + "/v1", "small-tutor"))

    assert "10.0.0.7" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"choices":[]}\n\n',
        b'data: {"choices":null,"usage":{}}\n\n',
        b'data: {"choices":[{"delta":null}]}\n\n',
        b'data: {"choices":[{"delta":{"content":null,"reasoning":"hm"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":[{"type":"thinking"}]}}]}\n\n',
        b"data: 3\n\n",
        b": ping\n\n",
    ],
)
async def test_what_is_no_text_of_a_chat_is_passed_over(
    client: httpx.AsyncClient, openai: OpenAiChatServer, line: bytes
) -> None:
    openai.script = Script(pieces=["a", "b"], raw=[line])

    assert await said_by(OpenAiChat(client, openai.url + "/v1", "small-tutor")) == "ab"


JUNK = [
    b"data: {broken\n\n",
    b"data: null\n\n",
    b'data: {"chunk":3}\n\n',
    b"data: " + b"[" * 5000 + b"\n\n",
    b"data: \xff\xfe\n\n",
    b"event: x\nid: 4\n: ping\n\n",
    b'data: {"status":"thinking","chunk":"hm"}\n\n',
    b"<html>\n",
]


async def test_a_little_junk_is_passed_over(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["a", "b"], raw=JUNK)

    assert await said_by(LlmService(client, service.url)) == "ab"


@pytest.mark.parametrize("end", ["mark", "eof", "open"])
async def test_nothing_but_junk_has_failed(
    client: httpx.AsyncClient, service: LlmServiceServer, end: str
) -> None:
    service.script = Script(pieces=[], raw=JUNK[:4], end=end)  # type: ignore[arg-type]  # a parameter of the test

    with pytest.raises(ModelFailed):
        await said_by(LlmService(client, service.url, idle_s=0.3))


async def test_much_junk_has_failed(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["a"], raw=JUNK[:1] * 30)

    with pytest.raises(ModelFailed):
        await said_by(LlmService(client, service.url))


async def test_text_next_to_the_end_mark_counts(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=[], raw=[b'data: {"chunk":"a","status":"finished"}\n\n'], end="hang")

    assert await said_by(LlmService(client, service.url)) == "a"


async def test_a_spoofed_end_inside_a_text_is_text(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    spoof = '\n\ndata: {"status":"finished"}\n\n'
    service.script = Script(pieces=[spoof, "b"])

    assert await said_by(LlmService(client, service.url)) == spoof + "b"


@pytest.mark.parametrize(
    "script",
    [
        Script(prefix=b"data:", newline=b"\r\n", split=1),
        Script(raw=[b'data: {"chunk":"","ttft":NaN}\n\n']),
        Script(headers={"set-cookie": "a=b"}, content_type="text/event-stream"),
    ],
)
async def test_variants_of_the_service_are_understood(
    client: httpx.AsyncClient, service: LlmServiceServer, script: Script
) -> None:
    service.script = script

    assert (await said_by(LlmService(client, service.url))).startswith("Good question. ")
    assert not client.cookies


LETTERS = b'data: {"chunk":"b"}\n\n' * 50


async def test_what_arrives_together_is_one_piece(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    end = b'data: {"chunk":"c","status":"finished"}\n\n'
    service.script = Script(pieces=[], raw=[LETTERS + end + LETTERS], end="hang")

    stream = LlmService(client, service.url).stream(PROMPT)
    assert [piece async for piece in stream] == ["b" * 50 + "c"]


async def test_what_came_before_an_error_is_said_first(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.script = Script(pieces=[], raw=[LETTERS + b'data: {"error":"x"}\n\n' + LETTERS], end="hang")

    stream = LlmService(client, service.url).stream(PROMPT)
    assert await anext(stream) == "b" * 50
    with pytest.raises(ModelFailed):
        await anext(stream)


async def test_text_is_left_as_it_was_written(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["a"], raw=[b'data: {"chunk":"\\ud83c\\u0000"}\n\n'])

    assert await said_by(LlmService(client, service.url)) == "a\ud83c\0"


async def test_a_reply_of_just_the_limit_passes(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["x" * (MB // 8)] * 8)

    assert len(await said_by(LlmService(client, service.url))) == MB


async def test_a_compressed_stream_has_failed(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(headers={"content-encoding": "gzip"})

    with pytest.raises(ModelFailed):
        await said_by(LlmService(client, service.url))


async def test_a_reply_that_never_ends_is_ended(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["a"] * 1000, gap=0.01)

    async with asyncio.timeout(1):
        with pytest.raises(ModelTimeout):
            await said_by(LlmService(client, service.url, idle_s=5, total_s=0.3))

    await service.until(lambda: len(service.abandoned) == 1, within=0.2)


async def test_silence_at_the_end_of_the_time_is_not_waited_for(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.script = Script(pieces=["a"], end="hang")

    async with asyncio.timeout(1):
        with pytest.raises(ModelTimeout):
            await said_by(LlmService(client, service.url, idle_s=5, total_s=0.3))


async def test_a_head_that_never_comes_is_not_waited_for(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.script = Script(head_after=60)

    async with asyncio.timeout(1):
        with pytest.raises(ModelTimeout):
            await said_by(LlmService(client, service.url, idle_s=0.2, total_s=5))
        with pytest.raises(ModelTimeout):
            await said_by(LlmService(client, service.url, idle_s=5, total_s=0.2))


async def test_signs_of_life_without_events_are_no_events(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.script = Script(pieces=[], raw=[b": ping\n"] * 100, split=1, end="hang")

    async with asyncio.timeout(1):
        with pytest.raises(ModelTimeout):
            await said_by(LlmService(client, service.url, idle_s=0.3, total_s=60))


async def test_a_slow_reader_is_not_the_upstreams_silence(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.script = Script(pieces=["a", "b", "c"])
    said = ""

    async for piece in LlmService(client, service.url, idle_s=0.1).stream(PROMPT):
        said += piece
        await asyncio.sleep(0.15)

    assert said == "abc"


async def test_a_hung_reply_holds_up_no_other(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["a"])
    model = LlmService(client, service.url)
    hung = Prompt(user=UserId(7), memory=MemoryId(1), system="", input="[[end=hang;first_after=60]]")
    waiting = [asyncio.create_task(said_by(model, hung)) for _ in range(20)]
    await service.until(lambda: len(service.received) == 20)

    async with asyncio.timeout(1):
        assert await said_by(model) == "a"

    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await service.until(lambda: len(service.abandoned) == 20)


async def test_hundreds_of_streams_at_once(client: httpx.AsyncClient, service: LlmServiceServer) -> None:
    service.script = Script(pieces=["a"] * 5, gap=0.01)
    model = LlmService(client, service.url)

    assert await asyncio.gather(*(said_by(model) for _ in range(200))) == ["aaaaa"] * 200


def test_the_services_events_are_what_the_contract_shows() -> None:
    assert json.dumps(LlmServiceServer().piece("a"))[:38] == '{"chunk": "a", "status": "streaming", '


@pytest.mark.parametrize(
    ("asked", "active"),
    [("llama3.1:8b", "llama3.1:8b"), ("qwen", "qwen:latest"), (None, "llama3.1:8b"), ("absent", None)],
)
async def test_the_list_marks_the_model_that_is_asked(
    client: httpx.AsyncClient, openai: OpenAiChatServer, asked: str | None, active: str | None
) -> None:
    openai.models = ["llama3.1:8b", "qwen:latest"]
    listed = await OpenAiChat(client, openai.url + "/v1", asked).models()
    assert [model.name for model in listed] == openai.models
    assert [model.name for model in listed if model.active] == ([active] if active else [])


async def test_a_list_with_odd_figures_is_still_a_list(
    client: httpx.AsyncClient, openai: OpenAiChatServer
) -> None:
    odd = [
        {"id": "a", "created": 1_700_000_000, "owned_by": "us"},
        {"id": "b", "created": "yesterday", "owned_by": 7},
        {"id": "c", "created": 10**30},
        {"id": "d", "created": True},
    ]
    openai.faults["/v1/models"] = Fault(status=200, body=json.dumps({"data": odd}).encode())
    listed = await OpenAiChat(client, openai.url + "/v1", "a").models()
    assert [(m.owner, m.created_at.year if m.created_at else None) for m in listed] == [
        ("us", 2023),
        ("", None),
        ("", None),
        ("", None),
    ]


async def test_the_service_lists_nothing_but_says_whether_it_is_there(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    model = LlmService(client, service.url)
    assert await model.models() == []
    service.faults["/health"] = Fault(status=500)
    with pytest.raises(ModelFailed):
        await model.models()


async def test_a_service_is_told_which_model_to_load(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    model = LlmService(client, service.url)

    assert await model.activate("large:8b") == "Model large:8b activated"

    assert service.asked("/activate_model")[0].json() == {"model": "large:8b"}
    assert [(listed.name, listed.active) for listed in await model.models()] == [("large:8b", True)]


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (b'{"error": "no such model"}', "no such model"),
        (b'{"error": "' + b"x" * 400 + b'"}', "x" * 300),
        (b'{"error": "a\\u0000\\ud83c"}', "a\ufffd\ufffd"),
        (b'{"error": 7}', None),
        (b"{}", None),
        (b"<html>", None),
    ],
)
async def test_a_model_that_is_not_there_is_said_to_be_so_in_the_services_words(
    client: httpx.AsyncClient, service: LlmServiceServer, said: bytes, detail: str | None
) -> None:
    service.faults["/activate_model"] = Fault(status=400, body=said)
    model = LlmService(client, service.url)

    with pytest.raises(UnknownModel) as caught:
        await model.activate("large:8b")

    assert caught.value.extra.get("detail") == detail
    assert await model.models() == []


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ActivationUnsupported, Fault(status=404, body=b"<html>", content_type="text/html")),
        (ActivationUnsupported, Fault(status=405)),
        (ActivationFailed, Fault(status=200, body=b"<html>", content_type="text/html")),
        (ActivationFailed, Fault(status=200, body=b'{"message": 7}')),
        (ActivationFailed, Fault(status=200, body=b"[]")),
        (ActivationFailed, Fault(status=200, body=b"x" * 2 * MB)),
        (ActivationFailed, Fault(status=500, body=b'{"error": "CUDA out of memory at 10.0.0.7"}')),
        (ActivationFailed, Fault(status=302, headers={"location": "/"})),
        (ActivationFailed, Fault(reset=True)),
        (ActivationTimeout, Fault(hang=True)),
        (ActivationTimeout, Fault(delay=60)),
    ],
)
async def test_a_model_that_was_not_activated_is_not_the_active_one(
    client: httpx.AsyncClient, service: LlmServiceServer, error: type[DomainError], fault: Fault
) -> None:
    service.faults["/activate_model"] = fault
    model = LlmService(client, service.url, activation_s=0.2)

    with pytest.raises(error) as caught:
        await model.activate("large:8b")

    assert type(caught.value) is error
    assert "10.0.0.7" not in f"{caught.value}{caught.value.extra}"
    assert len(service.asked("/activate_model")) == 1
    assert await model.models() == []


async def test_a_service_that_knows_nothing_of_loading_models_says_so(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.installed = None
    with pytest.raises(ActivationUnsupported):
        await LlmService(client, service.url).activate("large:8b")


async def test_no_service_to_activate_a_model_at_is_unreachable(client: httpx.AsyncClient) -> None:
    async with LlmServiceServer() as gone:
        pass
    with pytest.raises(ActivationUnreachable):
        await LlmService(client, gone.url).activate("large:8b")


async def test_a_successful_load_may_say_nothing(
    client: httpx.AsyncClient, service: LlmServiceServer
) -> None:
    service.faults["/activate_model"] = Fault(status=200, body=b"{}")
    assert await LlmService(client, service.url).activate("large:8b") is None


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_is_full_is_unreachable_for_a_check_too(
    client: httpx.AsyncClient, service: LlmServiceServer, openai: OpenAiChatServer, status: int
) -> None:
    service.faults["/health"] = openai.faults["/v1/models"] = Fault(status=status)
    with pytest.raises(ModelUnreachable):
        await LlmService(client, service.url).check()
    with pytest.raises(ModelUnreachable):
        await OpenAiChat(client, openai.url + "/v1").check()
