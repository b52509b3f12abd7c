"""The frames of section 10 and the rules of 4.1, byte for byte, against a real LLM service."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope, provide

from adapters.http.llm_service import LlmService
from application.ports.language_model import LanguageModel
from entrypoints.settings import Settings
from tests.integration.house import House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.listening import asked, events, listening
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

UNAVAILABLE = "The tutor is not available right now. Please try again."
Play = Callable[..., None]


@pytest.fixture
def play(llm: LlmServiceServer) -> Iterator[Play]:
    """How the model plays its next replies; as before when the test ends."""

    def change(**changes: Any) -> None:
        llm.script = Script(**changes)

    yield change
    llm.script = Script()
    llm.faults.clear()


async def test_a_normal_reply_byte_for_byte(ann: User, play: Play) -> None:
    play(pieces=["Plants ", "make \u2028sugar", ' "quoted" \\ ü 😀.'], gap=0.05)
    async with listening(ann, "How?") as stream:
        told = b"".join(await stream.chunks())

    m, s = stream.message, stream.session
    text = 'Plants make \\u2028sugar \\"quoted\\" \\\\ \\u00fc \\ud83d\\ude00.'
    assert told.decode("ascii") == (
        f'id: {m}-1\ndata: {{"status":"streaming","chunk":"Plants "}}\n\n'
        f'id: {m}-2\ndata: {{"status":"streaming","chunk":"make \\u2028sugar"}}\n\n'
        f'id: {m}-3\ndata: {{"status":"streaming","chunk":" \\"quoted\\" \\\\ \\u00fc \\ud83d\\ude00."}}\n\n'
        f'id: {m}-4\ndata: {{"status":"finished"}}\n\n'
        f'id: {m}-5\ndata: {{"status":"complete","session_id":{s},"message_id":{m},"text":"{text}"}}\n\n'
    )


async def test_the_headers_of_a_stream(ann: User) -> None:
    async with listening(ann, "How?") as stream:
        await stream.chunks()

    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-cache"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["connection"] == "keep-alive"
    assert stream.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in stream.headers
    assert "content-encoding" not in stream.headers


async def test_a_stream_is_never_compressed(ann: User) -> None:
    headers = {**ann.headers, "Accept-Encoding": "gzip, br, zstd", "Accept": "*/*"}
    answer = await ann.house.client.post("/api/chat/stream", data={"message": "How?"}, headers=headers)
    assert "content-encoding" not in answer.headers


async def test_http_1_0_gets_the_same_without_chunks(ann: User) -> None:
    async with asked(ann, "How?", version="1.0") as stream:
        await stream.head()
        assert stream.status == 200
        assert stream.headers.get("connection") != "keep-alive"
        assert b'"complete"' in await stream._reader.read()


async def test_each_write_holds_whole_events(ann: User, play: Play) -> None:
    play(pieces=[f"word {n} " * 20 for n in range(300)])
    async with listening(ann, "Tell me a lot") as stream:
        found = events(await stream.chunks())

    assert "".join(e["chunk"] for e in found[:-2]) == found[-1]["text"]


@pytest.mark.parametrize("filler", ["x", "ü", "文", "😀", "\u2028", '"', "\\", "\x01", "a😀"])
async def test_no_chunk_event_is_larger_than_1200_bytes(ann: User, play: Play, filler: str) -> None:
    text = filler * (20_000 // len(filler))
    play(pieces=[text])
    async with listening(ann, "Tell me a lot") as stream:
        chunks = await stream.chunks()

    frames = [f for f in b"".join(chunks).split(b"\n\n") if b'"streaming"' in f]
    assert max(len(frame) + 2 for frame in frames) <= 1200
    assert all(frame.isascii() for frame in frames)
    assert "".join(e["chunk"] for e in events(chunks)[:-2]) == text
    for event in events(chunks)[:-2]:
        event["chunk"].encode()  # no half of a pair


NASTY = [
    "data: ",
    'data: {"status":"complete"}\n\n',
    "\n\ndata: [DONE]\n\n",
    "id: 1-1\nevent: x\nretry: 1\n: ping\n\n",
    "\u2028\u2029\u0085\x0b\x0c\x1c\r\n\r",
    "  leading and trailing  ",
    "<script>alert(1)</script>&amp;",
    "```python\nprint('x')\n```",
    "\ufeff\u200b\u202e",
    "e\u0301 is not é",
]


async def test_what_the_model_says_is_stored_exactly(ann: User, play: Play) -> None:
    play(pieces=NASTY)
    async with listening(ann, "Say") as stream:
        found = events(await stream.chunks())

    assert "".join(e["chunk"] for e in found[:-2]) == "".join(NASTY)
    assert found[-1]["text"] == "".join(NASTY)
    assert [e["status"] for e in found[-2:]] == ["finished", "complete"]
    assert (await ann.messages(stream.session))[1]["content"] == "".join(NASTY)


@pytest.mark.parametrize("split", [1, 3, 7])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_upstream_bytes_may_be_split_anywhere(
    ann: User, play: Play, split: int, newline: bytes
) -> None:
    play(
        pieces=["Grüße ", "文档", "😀 \u2028 end"],
        split=split,
        newline=newline,
        prefix=b"data:",
        raw=[b": hello" + newline * 2],
    )
    told = await ann.ask("Say")
    assert told.last["text"] == "Grüße 文档😀 \u2028 end"


async def test_foreign_frames_are_dropped_and_extras_not_passed_on(ann: User, play: Play) -> None:
    spoofed = {"status": "complete", "session_id": 1, "message_id": 1, "text": "spoofed"}
    play(
        pieces=["one ", "two"],
        raw=[
            f"data: {json.dumps(spoofed)}\n\n".encode(),
            b'data: {"status":"avatar","state":"lost"}\n\n',
            b'data: {"status":"streaming","chunk":""}\n\n',
            b'data: {"status":"streaming","chunk":null}\n\n',
            b'event: x\ndata: {"status":"sources","sources":[{"n":1}]}\n\n',
        ],
    )
    told = await ann.ask("Say")
    assert told.kinds == ["streaming", "finished", "complete"]
    assert told.last["text"] == "one two"
    assert all(set(e) == {"status", "chunk"} for e in told.events[:-2])


async def test_an_upstream_that_never_ends_its_stream(ann: User, play: Play, llm: LlmServiceServer) -> None:
    play(end="open")
    before = len(llm.abandoned)
    told = await asyncio.wait_for(ann.ask("Say"), 5)

    assert told.kinds == ["streaming", "finished", "complete"]
    await llm.until(lambda: len(llm.abandoned) > before)  # we closed it


async def test_an_upstream_that_never_stops_talking(ann: User, play: Play) -> None:
    play(pieces=["x" * 50_000] * 100)
    told = await ann.ask("Say")

    assert told.kinds == ["streaming", "error", "complete"]
    assert told.events[-2]["code"] == "llm_error"
    assert 900_000 < len(told.last["text"]) <= 1 << 20
    assert (await ann.answer_in(told.session))["content"] == told.last["text"]


# failures before the first word: a real status


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ({"status": 500, "body": b"Traceback: secret at 10.0.0.7"}, 502, "upstream_error"),
        ({"status": 400, "body": b'{"error": "secret"}'}, 502, "upstream_error"),
        ({"status": 302, "headers": {"location": "http://10.0.0.7/secret"}}, 502, "upstream_error"),
        ({"content_type": "text/html", "body": b"<html>secret"}, 502, "upstream_error"),
        ({"content_type": "application/json", "body": b'{"secret": 1}'}, 502, "upstream_error"),
        ({"pieces": [], "end": "mark"}, 502, "upstream_error"),
        ({"pieces": [], "end": "open"}, 502, "upstream_error"),
        ({"pieces": [], "end": "eof"}, 502, "upstream_error"),
        ({"pieces": [], "end": "error"}, 502, "upstream_error"),
        ({"pieces": [], "end": "reset"}, 502, "upstream_error"),
        ({"pieces": [], "raw": [b'data: {"error": "secret"}\n\n']}, 502, "upstream_error"),
        ({"pieces": [], "end": "hang"}, 504, "upstream_timeout"),
    ],
)
async def test_a_failure_before_the_first_word_is_a_status(
    impatient: User, play: Play, script: dict[str, Any], status: int, code: str
) -> None:
    play(**script)
    answer = await impatient.post("/api/chat/stream", data={"message": "What is it?"})

    assert refusal(answer) == (status, UNAVAILABLE, code)
    assert set(answer.json()) == {"msg", "code", "request_id", "session_id"}
    session = answer.json()["session_id"]
    (question,) = await impatient.messages(session)  # kept; and no empty bubble
    assert (question["role"], question["content"]) == ("user", "What is it?")
    (listed,) = [s for s in (await impatient.get("/api/chat/history")).json() if s["id"] == session]
    assert listed["message_count"] == 1
    assert "x-session-id" not in answer.headers


async def test_an_upstream_that_is_not_there(tmp_path: Path, redis: object, valkey_url: str) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, LLM_URL="http://127.0.0.1:9") as house:
        ann = await house.user()
        answer = await ann.post("/api/chat/stream", data={"message": "x"})
        assert refusal(answer) == (503, UNAVAILABLE, "upstream_unavailable")
        assert answer.json()["session_id"] == 1
        assert len(await ann.messages(1)) == 1


async def test_a_failed_question_may_be_asked_again_in_its_session(ann: User, play: Play) -> None:
    play(status=500)
    session = (await ann.post("/api/chat/stream", data={"message": "x"})).json()["session_id"]
    play()
    told = await ann.ask("x", session)

    assert told.kinds == ["streaming", "finished", "complete"]
    assert [m["role"] for m in await ann.messages(session)] == ["user", "user", "assistant"]


# failures afterwards: an event


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"end": "error"}, "llm_error"),
        ({"end": "eof"}, "llm_error"),
        ({"end": "reset"}, "llm_error"),
        ({"end": "hang"}, "llm_timeout"),
        ({"raw": [b"data: " + b"x" * (2 << 20) + b"\n\n"]}, "llm_error"),
    ],
)
async def test_a_failure_after_the_first_word_is_an_event(
    impatient: User, play: Play, script: dict[str, Any], code: str
) -> None:
    play(pieces=["Half an ", "answer"], **script)
    told = await impatient.ask("What is it?")

    assert told.response.status_code == 200
    assert told.kinds == ["streaming", "error", "complete"]
    text = "".join(e["chunk"] for e in told.events if e["status"] == "streaming")
    assert told.events[-2] == {"status": "error", "error": UNAVAILABLE, "code": code}
    assert told.last == {
        "status": "complete",
        "session_id": told.session,
        "message_id": told.message,
        "text": text,
        "interrupted": True,
    }
    _, answer = await impatient.messages(told.session)
    assert (answer["content"], answer["interrupted"]) == (text, True)


async def test_nothing_of_an_upstream_is_ever_shown(
    impatient: User, play: Play, llm: LlmServiceServer
) -> None:
    play(end="error")  # its error names a host
    told = await impatient.ask("x")
    for leak in (b"CUDA", b"10.0.0.7", b"8100", b"127.0.0.1", str(llm.port).encode(), b"Traceback", b"httpx"):
        assert leak not in told.response.content


# time


async def test_a_slow_model_gets_a_status_line_after_the_hold(slow_house: User, play: Play) -> None:
    play(pieces=["late"], first_after=1.2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with listening(slow_house, "x") as stream:
        held = loop.time() - began
        chunks = await stream.chunks()

    assert 0.4 < held < 1.0
    assert stream.status == 200
    assert chunks[0] == b": ping\n\n"
    assert [e["status"] for e in events(chunks)] == ["streaming", "finished", "complete"]
    assert chunks[-1].startswith(b"id: %d-" % stream.message)


async def test_a_silence_after_the_hold_is_an_event(slow_house: User, play: Play) -> None:
    play(pieces=[], first_after=1.2)
    told = await slow_house.ask("x")

    assert told.kinds == ["error", "complete"]
    assert told.events[0]["code"] == "llm_empty"
    assert (told.last["text"], told.last["interrupted"]) == ("", True)
    assert told.ids == [f"{told.message}-1", f"{told.message}-2"]
    assert [m["role"] for m in await slow_house.messages(told.session)] == ["user"]


async def test_silence_is_filled_with_comments(slow_house: User, play: Play) -> None:
    play(pieces=["one", "two"], gap=1.2)
    async with listening(slow_house, "x") as stream:
        chunks = await stream.chunks()

    assert chunks.count(b": ping\n\n") >= 4
    assert [e["status"] for e in events(chunks)] == ["streaming", "streaming", "finished", "complete"]


async def test_the_first_word_comes_at_once(ann: User, play: Play) -> None:
    play(pieces=["first", "second"], gap=1.5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with listening(ann, "x") as stream:
        assert b"first" in await stream.chunk()
        assert loop.time() - began < 1.0


# readers


async def test_a_reader_that_leaves_loses_nothing(ann: User, play: Play) -> None:
    pieces = [f"word{n} " for n in range(10)]
    play(pieces=pieces, gap=0.05)
    async with listening(ann, "x") as stream:
        await stream.chunk()
        stream.leave()

    assert (await ann.answer_in(stream.session))["content"] == "".join(pieces)


async def test_a_reader_that_leaves_before_the_first_word_loses_nothing(ann: User, play: Play) -> None:
    play(pieces=["late"], first_after=0.5)
    session = await ann.new_session()
    async with asked(ann, "x", session_id=session) as stream:
        await asyncio.sleep(0.2)
        stream.leave()

    assert (await ann.answer_in(session))["content"] == "late"


async def test_a_reader_that_does_not_read_holds_up_nobody(ann: User, play: Play) -> None:
    play(pieces=["😀" * 2_400] * 100)  # with what JSON makes of it, more than all buffers on the way hold
    async with listening(ann, "x") as lazy:
        assert (await ann.answer_in(lazy.session))["content"] == "😀" * 240_000
        told = await ann.ask("y")
        assert told.kinds == ["streaming", "finished", "complete"]


async def test_open_streams_hold_no_database_connection(home: House, ann: User, play: Play) -> None:
    """Forty of them, with a pool of twenty."""
    readers_of = [await home.user(f"{name}@example.org") for name in ("fay", "gus")]
    play(pieces=["begin ", "end"], gap=5.0)
    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(user.ask("x")) for user in readers_of for _ in range(20)]
        await asyncio.sleep(1.0)
        assert (await ann.get("/api/chat/history")).status_code == 200
        assert (await ann.post("/api/chat/new")).status_code == 201
        assert not any(reader.done() for reader in readers)
    assert all(reader.result().last["text"] == "begin end" for reader in readers)


async def test_streams_of_users_never_mix(ann: User, bob: User) -> None:
    async def own(user: User, mark: str) -> None:
        told = await user.ask(f"{mark} [[gap=0.01]]")
        assert {id.split("-")[0] for id in told.ids} == {str(told.message)}
        assert (await user.messages(told.session))[0]["content"].startswith(mark)

    await asyncio.gather(*(own(user, f"{n}") for n in range(5) for user in (ann, bob)))


async def test_a_second_question_waits_for_a_reply_that_is_read(ann: User, play: Play) -> None:
    play(pieces=["a", "b", "c"], gap=0.3)
    session = await ann.new_session()
    first, second = await asyncio.gather(ann.ask("one", session), ann.ask("two", session))

    assert first.last["text"] == second.last["text"] == "abc"
    assert "interrupted" not in first.last
    said = [(m["role"], m["content"]) for m in await ann.messages(session)]
    assert sorted(said[::2]) == [("user", "one"), ("user", "two")]
    assert said[1::2] == [("assistant", "abc")] * 2


async def test_a_second_question_waits_for_a_reply_whose_reader_is_still_held(ann: User, play: Play) -> None:
    play(pieces=["late"], first_after=0.8)
    session = await ann.new_session()
    first = asyncio.create_task(ann.ask("one", session))
    await asyncio.sleep(0.2)
    second = await ann.ask("two", session)

    assert (await first).last["text"] == "late"
    assert second.last["text"] == "late"


async def test_a_second_question_stops_a_reply_that_nobody_reads(ann: User, play: Play) -> None:
    play(pieces=["word "] * 200, gap=0.1)
    async with listening(ann, "one") as stream:
        await stream.chunk()
        stream.leave()
    await asyncio.sleep(0.3)
    play(pieces=["fresh"])
    told = await ann.ask("two", stream.session)

    assert told.last["text"] == "fresh"
    first = (await ann.messages(stream.session))[1]
    assert first["interrupted"] is True
    assert first["content"].startswith("word ")


async def test_a_session_that_stays_busy_is_a_conflict(ann: User, play: Play) -> None:
    play(pieces=["word "] * 60, gap=0.25)
    session = await ann.new_session()
    async with listening(ann, "one", session_id=session) as stream:
        answer = await ann.post("/api/chat/stream", data={"message": "two", "session_id": session})
        assert refusal(answer) == (
            409,
            "A reply is already being generated in this session",
            "reply_in_progress",
        )
        stream.leave()
    assert [m["content"] for m in await ann.messages(session) if m["role"] == "user"] == ["one"]


# who may ask, and what is kept


@pytest.mark.parametrize("session", ["999999", "9223372036854775807"])
async def test_a_session_that_is_not_there(ann: User, session: str) -> None:
    answer = await ann.post("/api/chat/stream", data={"message": "x", "session_id": session})
    assert refusal(answer) == (404, "Session not found", "not_found")


async def test_anothers_session_looks_like_none(ann: User, bob: User, llm: LlmServiceServer) -> None:
    session = await ann.new_session()
    asked_before = len(llm.asked("/chat/stream"))
    foreign = await bob.post("/api/chat/stream", data={"message": "x", "session_id": session})
    missing = await bob.post("/api/chat/stream", data={"message": "x", "session_id": 999999})

    assert refusal(foreign) == refusal(missing) == (404, "Session not found", "not_found")
    assert await ann.messages(session) == []
    assert len(llm.asked("/chat/stream")) == asked_before


async def test_refusals_come_in_order(ann: User) -> None:
    blank = await ann.post("/api/chat/stream", data={"message": " ", "session_id": "x"})
    long = await ann.post("/api/chat/stream", data={"message": "x" * 9000, "session_id": "x"})
    assert refusal(blank)[1] == "Message is required"
    assert refusal(long)[1].startswith("Message is too long")


async def test_a_refused_question_leaves_no_session(home: House, bob: User) -> None:
    before = await home.sql("SELECT count(*) FROM session")
    for message in ("", " ", "x" * 9000, "a\x00b"):
        assert (await bob.post("/api/chat/stream", data={"message": message})).status_code == 400
    assert await home.sql("SELECT count(*) FROM session") == before


async def test_the_question_is_kept_as_typed_and_titles_its_session(ann: User, llm: LlmServiceServer) -> None:
    message = "  [PHYSICS] Why is\tthe sky \u2028 blue? e\u0301 😀 " + "x" * 60 + "\n "
    told = await ann.ask(message)

    stored = (await ann.messages(told.session))[0]["content"]
    assert stored == message.strip()
    (session,) = [s for s in (await ann.get("/api/chat/history")).json() if s["id"] == told.session]
    assert session["title"] == message.strip()[:50]
    sent = llm.asked("/chat/stream")[-1].json()
    assert sent["input"] == message.strip()
    assert set(sent) == {"user_id", "session_id", "input"}


async def test_each_session_has_a_memory_of_its_own(ann: User, bob: User, llm: LlmServiceServer) -> None:
    one = await ann.ask("first")
    await bob.ask("first")
    await ann.ask("second", one.session)
    sent = [r.json() for r in llm.asked("/chat/stream")[-3:]]

    assert sent[0]["session_id"] == sent[2]["session_id"] != sent[1]["session_id"]
    assert sent[0]["user_id"] == sent[2]["user_id"] != sent[1]["user_id"]


async def test_one_question_is_one_upstream_call_without_our_secrets(
    ann: User, llm: LlmServiceServer
) -> None:
    before = len(llm.received)
    answer = await ann.post(
        "/api/chat/stream",
        data={"message": "x", "user_id": "999", "model": "other", "url": "http://evil.example"},
    )
    assert answer.status_code == 200
    (request,) = [r for r in llm.received[before:] if r.path == "/chat/stream"]
    assert request.json()["user_id"] != 999
    assert not {"authorization", "cookie", "origin", "x-forwarded-for"} & set(request.headers)
    assert ann.token not in str(request)


async def test_the_finished_answer_is_listed_at_once(ann: User) -> None:
    for _ in range(5):
        async with listening(ann, "x") as stream:
            while b'"finished"' not in await stream.chunk():
                pass
            assert (await ann.messages(stream.session))[-1]["role"] == "assistant"


async def test_sources_come_first_and_once(house: House, tmp_path: Path, llm: LlmServiceServer) -> None:
    ann = await house.user()
    notes = tmp_path / "cells.txt"
    notes.write_text("The mitochondrion makes the energy of the cell. The nucleus holds the DNA.", "utf-8")
    uploaded = await ann.upload(notes)
    assert uploaded.json()["rag_status"] == "indexed", uploaded.text
    told = await ann.ask(
        "According to the document, what makes the energy of the cell?", uploaded.json()["session_id"]
    )

    assert told.kinds == ["sources", "streaming", "finished", "complete"]
    (source, *_) = told.sources
    assert set(source) == {"n", "filename", "page", "score", "snippet", "file_id"}
    assert (source["n"], source["filename"]) == (1, "cells.txt")
    assert len(source["snippet"]) <= 200
    stored = (await ann.messages(told.session))[-1]
    assert stored["sources"] == [{**source, "cited": True}]
    question = (await ann.messages(told.session))[-2]["content"]
    assert "CONTEXT" not in question
    assert "=== CONTEXT FROM DOCUMENTS ===" in llm.asked("/chat/stream")[-1].json()["input"]


# houses with other times


class Impatient(Provider):
    @provide(scope=Scope.APP, override=True)
    def language_model(self, http: httpx.AsyncClient, settings: Settings) -> LanguageModel:
        return LlmService(http, settings.llm_url, idle_s=0.5)


@pytest.fixture(scope="module")
async def impatient(
    tmp_path_factory: pytest.TempPathFactory, home_redis: object, home: House, llm: LlmServiceServer
) -> AsyncIterator[User]:
    """Somebody in a house that gives a silent model half a second."""
    folder = tmp_path_factory.mktemp("impatient")
    url = home.settings.redis_url.replace("db=1", "db=2")
    async with a_house(folder, Impatient(), REDIS_URL=url, LLM_URL=llm.url) as house:
        yield await house.user("eve@example.org")


@pytest.fixture(scope="module")
async def slow_house(
    tmp_path_factory: pytest.TempPathFactory, home: House, llm: LlmServiceServer
) -> AsyncIterator[User]:
    """Somebody in a house that holds the line for half a second and is never silent for longer than 0.2 s."""
    folder = tmp_path_factory.mktemp("slow")
    url = home.settings.redis_url.replace("db=1", "db=3")
    times = {"STREAM_HOLD_SECONDS": "0.5", "STREAM_HEARTBEAT_SECONDS": "0.2"}
    async with a_house(folder, REDIS_URL=url, LLM_URL=llm.url, **times) as house:
        yield await house.user("eve@example.org")
