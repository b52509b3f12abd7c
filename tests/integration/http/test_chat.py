"""POST /chat: the answer in one piece, or as a stream."""

from collections.abc import Iterator

import pytest

from tests.integration.house import House, Told, User
from tests.integration.http.answers import refusal
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script


@pytest.fixture(autouse=True)
def script(llm: LlmServiceServer) -> Iterator[None]:
    yield
    llm.script = Script()


async def test_the_whole_answer(ann: User, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=["Plants ", "make\u2028 sugar."])
    answer = await ann.post("/api/chat", data={"message": " How? "})
    assert answer.status_code == 200
    told = answer.json()
    messages = await ann.messages(told["session_id"])
    assert told == {
        "rtc_session_id": 0,
        "text_input": "How?",
        "text_output": "Plants make\u2028 sugar.",
        "session_id": told["session_id"],
        "message_id": messages[-1]["id"],
    }
    assert [m["content"] for m in messages[-2:]] == ["How?", "Plants make\u2028 sugar."]


async def test_goes_on_in_the_session_used_last(house: House) -> None:
    user = await house.user("first@example.org")
    first = (await user.post("/api/chat", data={"message": "How?"})).json()["session_id"]
    assert (await user.get("/api/chat/history")).json()[0]["title"] == "New Chat"
    assert (await user.post("/api/chat", data={"message": "Why?"})).json()["session_id"] == first
    other = await user.new_session()
    named = await user.post("/api/chat", data={"message": "And?", "session_id": first})
    assert named.json()["session_id"] == first
    assert (await user.post("/api/chat", data={"message": "So?"})).json()["session_id"] == first
    await house.sql("update session set updated_at = datetime('now', '-31 minutes')")
    fresh = (await user.post("/api/chat", data={"message": "Again?"})).json()["session_id"]
    assert fresh not in (first, other)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json, Text/Event-Stream;q=0.9"])
async def test_as_a_stream(ann: User, accept: str) -> None:
    answer = await ann.house.client.post(
        "/api/chat", data={"message": "How?"}, headers={**ann.headers, "Accept": accept}
    )
    told = Told.from_response(answer)
    assert told.kinds == ["streaming", "finished", "complete"]
    assert told.last["message_id"] == told.message


async def test_json_is_taken_like_a_form(ann: User) -> None:
    answer = await ann.post("/api/chat", json={"message": "How?"})
    assert answer.json()["text_input"] == "How?"


async def test_cut_short_it_says_so(ann: User, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=["Plants ", "make "], end="error")
    answer = await ann.post("/api/chat", data={"message": "How?"})
    assert answer.status_code == 200
    assert (answer.json()["text_output"], answer.json()["interrupted"]) == ("Plants make ", True)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (Script(status=500, body=b"{}", content_type="application/json"), 502, "upstream_error"),
        (Script(pieces=[]), 502, "upstream_error"),
        (Script(pieces=[], end="error"), 502, "upstream_error"),
    ],
)
async def test_without_a_word_it_is_a_failure(
    ann: User, llm: LlmServiceServer, script: Script, status: int, code: str
) -> None:
    llm.script = script
    answer = await ann.post("/api/chat", data={"message": "How?"})
    assert refusal(answer) == (status, "The tutor is not available right now. Please try again.", code)
    assert answer.json()["session_id"] > 0


async def test_twice_under_one_key_is_once(ann: User, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=["So."])
    headers = {**ann.headers, "Idempotency-Key": "chat"}
    before = len(llm.received)
    answers = [
        (await ann.house.client.post("/api/chat", data={"message": "How?"}, headers=headers)).json()
        for _ in range(3)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len(llm.received) == before + 1


@pytest.mark.parametrize(
    ("form", "msg"),
    [
        ({}, "Message is required"),
        ({"message": "  "}, "Message is required"),
        ({"message": "x" * 8001}, "Message is too long (max 8000 characters)"),
        ({"message": "?", "session_id": "x"}, "Invalid session ID"),
    ],
)
async def test_bad_input(ann: User, form: dict[str, str], msg: str) -> None:
    answer = await ann.post("/api/chat", data=form)
    assert (answer.status_code, answer.json()["msg"]) == (400, msg)


async def test_a_foreign_session(ann: User, bob: User) -> None:
    session = await bob.new_session()
    answer = await ann.post("/api/chat", data={"message": "?", "session_id": session})
    assert refusal(answer) == (404, "Session not found", "not_found")
