"""Answering again and asking differently: nothing is lost, and the list shows the current branch."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house import Told, User
from tests.integration.http.answers import refusal
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script


@pytest.fixture(autouse=True)
def script(llm: LlmServiceServer) -> Iterator[None]:
    yield
    llm.script = Script()


async def regenerate(user: User, session: int, **form: str) -> Told:
    return Told.from_response(await user.post(f"/api/chat/{session}/regenerate", data=form))


async def edit(user: User, session: int, message: int, text: str) -> Told:
    path = f"/api/chat/{session}/messages/{message}/edit"
    return Told.from_response(await user.post(path, data={"message": text}))


async def said(user: User, session: int) -> list[str]:
    return [m["content"] for m in await user.messages(session)]


async def count(user: User, session: int) -> int:
    history = (await user.get("/api/chat/history")).json()
    return next(int(s["message_count"]) for s in history if s["id"] == session)


async def versions(user: User, message: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await user.get(f"/api/message/{message}/versions")).json()
    return found


class TestRegenerate:
    async def test_the_new_answer_takes_the_place_of_the_old(self, ann: User, llm: LlmServiceServer) -> None:
        llm.script = Script(pieces=["First."])
        first = await ann.ask("How?")
        llm.script = Script(pieces=["Second."])
        second = await regenerate(ann, first.session)
        assert (second.session, second.text) == (first.session, "Second.")
        assert await said(ann, first.session) == ["How?", "Second."]
        assert await count(ann, first.session) == 2
        kept = await versions(ann, second.message)
        assert [(v["content"], v["current"]) for v in kept] == [("First.", False), ("Second.", True)]

    async def test_the_model_hears_the_turns_under_a_fresh_memory(
        self, ann: User, llm: LlmServiceServer
    ) -> None:
        llm.script = Script(pieces=["Sugar."])
        first = await ann.ask("What do plants make?")
        llm.script = Script(pieces=["In the leaves."])
        await ann.ask("Where?", first.session)
        llm.script = Script(pieces=["In their cells."])
        await regenerate(ann, first.session)
        *_, before, last = [r.json() for r in llm.received if r.path == "/chat/stream"]
        assert last["session_id"] != before["session_id"]
        assert "What do plants make?" in last["input"]
        assert "Sugar." in last["input"]
        assert "In the leaves." not in last["input"]
        llm.script = Script(pieces=["Yes."])
        await ann.ask("Really?", first.session)
        after = [r.json() for r in llm.received if r.path == "/chat/stream"][-1]
        assert (after["session_id"], after["input"]) == (last["session_id"], "Really?")

    async def test_one_that_fails_leaves_the_old_answer(self, ann: User, llm: LlmServiceServer) -> None:
        llm.script = Script(pieces=["First."])
        first = await ann.ask("How?")
        llm.script = Script(status=500, body=b"{}", content_type="application/json")
        failed = await regenerate(ann, first.session)
        assert failed.response.status_code == 502
        assert await said(ann, first.session) == ["How?", "First."]
        llm.script = Script(pieces=["Yes."])
        await ann.ask("Really?", first.session)  # the fresh memory has heard nothing yet
        last = [r.json() for r in llm.received if r.path == "/chat/stream"][-1]
        assert "First." in last["input"]

    async def test_a_question_without_an_answer_is_answered(self, ann: User, llm: LlmServiceServer) -> None:
        llm.script = Script(status=500, body=b"{}", content_type="application/json")
        failed = await ann.ask("How?")
        session = failed.response.json()["session_id"]
        llm.script = Script(pieces=["So."])
        await regenerate(ann, session)
        assert await said(ann, session) == ["How?", "So."]
        assert await count(ann, session) == 2

    async def test_refusals(self, ann: User, bob: User) -> None:
        empty = await ann.new_session()
        answer = await ann.post(f"/api/chat/{empty}/regenerate")
        assert refusal(answer) == (400, "There is no question to answer again", "bad_request")
        told = await ann.ask("How?")
        for user, session in ((bob, told.session), (ann, 10**6), (ann, "x")):
            answer = await user.post(f"/api/chat/{session}/regenerate")
            assert refusal(answer) == (404, "Session not found", "not_found")

    async def test_at_once_with_a_question_both_are_answered_in_turn(
        self, ann: User, llm: LlmServiceServer
    ) -> None:
        llm.script = Script(pieces=["So."], first_after=0.1)
        told = await ann.ask("How?")
        again, asked = await asyncio.gather(regenerate(ann, told.session), ann.ask("Why?", told.session))
        assert again.response.status_code == asked.response.status_code == 200
        assert await said(ann, told.session) == ["How?", "So.", "Why?", "So."]
        assert await count(ann, told.session) == 4


class TestEdit:
    async def test_the_question_and_what_followed_are_kept_as_a_version(
        self, ann: User, llm: LlmServiceServer
    ) -> None:
        llm.script = Script(pieces=["Answer."])
        first = await ann.ask("How?")
        await ann.ask("Where?", first.session)
        question = (await ann.messages(first.session))[0]["id"]
        llm.script = Script(pieces=["Another."])
        told = await edit(ann, first.session, question, "Why?")
        assert told.text == "Another."
        assert await said(ann, first.session) == ["Why?", "Another."]
        assert await count(ann, first.session) == 2
        edited = (await ann.messages(first.session))[0]["id"]
        old, new = await versions(ann, edited)
        assert (old["content"], old["current"], new["content"], new["current"]) == (
            *("How?", False),
            *("Why?", True),
        )
        assert [m["content"] for m in old["thread"]] == ["Answer.", "Where?", "Answer."]

    async def test_the_model_hears_only_what_came_before(self, ann: User, llm: LlmServiceServer) -> None:
        llm.script = Script(pieces=["Sugar."])
        first = await ann.ask("What do plants make?")
        await ann.ask("A forbidden word?", first.session)
        question = (await ann.messages(first.session))[2]["id"]
        await edit(ann, first.session, question, "Where?")
        last = [r.json() for r in llm.received if r.path == "/chat/stream"][-1]
        assert "What do plants make?" in last["input"]
        assert "forbidden" not in last["input"]
        assert last["input"].rstrip().endswith("Where?")

    async def test_twice(self, ann: User) -> None:
        first = await ann.ask("One?")
        for text in ("Two?", "Three?"):
            question = (await ann.messages(first.session))[0]["id"]
            await edit(ann, first.session, question, text)
        question = (await ann.messages(first.session))[0]["id"]
        assert [v["content"] for v in await versions(ann, question)] == ["One?", "Two?", "Three?"]

    async def test_refusals(self, ann: User, bob: User) -> None:
        first = await ann.ask("How?")
        question, answer = (m["id"] for m in await ann.messages(first.session))
        other = await ann.ask("Elsewhere?")
        foreign = (await ann.messages(other.session))[0]["id"]
        for message in (answer, foreign, 10**6, "x"):
            path = f"/api/chat/{first.session}/messages/{message}/edit"
            refused = await ann.post(path, data={"message": "Why?"})
            assert refusal(refused) == (404, "Message not found", "not_found")
        path = f"/api/chat/{first.session}/messages/{question}/edit"
        assert refusal(await bob.post(path, data={"message": "Why?"})) == (
            404,
            "Session not found",
            "not_found",
        )
        assert (await ann.post(path, data={"message": " "})).json()["msg"] == "Message is required"
        await edit(ann, first.session, question, "Why?")
        refused = await ann.post(path, data={"message": "What?"})  # it is an old version now
        assert refusal(refused) == (404, "Message not found", "not_found")
