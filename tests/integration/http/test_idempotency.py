"""Asking twice under one key is asking once."""

import asyncio
from typing import Any

import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import Told, User
from tests.integration.http.answers import refusal
from tests.integration.http.following import Workers, asking, at
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script


@pytest.fixture(autouse=True)
def script(llm: LlmServiceServer) -> Any:
    yield
    llm.script = Script()
    llm.faults.clear()


async def send(user: User, key: str, message: str = "How?", **fields: object) -> Told:
    headers = {**user.headers, "Idempotency-Key": key}
    answer = await user.house.client.post(
        "/api/chat/stream", data={"message": message, **fields}, headers=headers
    )
    return Told.from_response(answer)


async def test_of_fifty_at_once_one_asks_the_model(
    cleo: User, workers: Workers, llm: LlmServiceServer
) -> None:
    llm.script = Script(pieces=["One ", "answer."], first_after=0.3, gap=0.1)
    before = len(llm.received)
    answers = await asyncio.gather(*(send(at(workers[n % 2], cleo), "fifty") for n in range(50)))
    assert len(llm.received) == before + 1
    assert {told.response.status_code for told in answers} == {200}
    assert {told.text for told in answers} == {"One answer."}
    assert len({tuple(told.ids) for told in answers}) == 1
    assert len(await cleo.messages(answers[0].session)) == 2


async def test_a_finished_one_is_told_again(cleo: User, workers: Workers, llm: LlmServiceServer) -> None:
    first = await send(cleo, "again")
    before = len(llm.received)
    for worker in workers:
        again = await send(at(worker, cleo), "again")
        assert (again.ids, again.events) == (first.ids, first.events)
    assert len(llm.received) == before


async def test_one_that_was_left_goes_on(cleo: User, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=["word "] * 20, gap=0.05)
    async with asking(cleo, "How?", headers={"Idempotency-Key": "left"}) as stream:
        await stream.until(2)
    again = await send(cleo, "left")
    assert again.message == stream.told.message
    assert again.text == "word " * 20


async def test_the_form_may_carry_the_key_and_the_header_counts(cleo: User, llm: LlmServiceServer) -> None:
    first = await cleo.ask("How?", client_request_id="in the form")
    again = await cleo.ask("How?", client_request_id="in the form")
    assert again.message == first.message
    other = await send(cleo, "in the header", client_request_id="in the form")
    assert other.message != first.message
    assert (await send(cleo, "in the header", client_request_id="another")).message == other.message


async def test_another_request_under_the_key_is_refused(cleo: User) -> None:
    first = await send(cleo, "used")
    for message, fields in (("Why?", {}), ("How?", {"session_id": first.session})):
        answer = (await send(cleo, "used", message, **fields)).response
        assert refusal(answer) == (
            422,
            "Idempotency key was used for a different request",
            "idempotency_mismatch",
        )


async def test_keys_belong_to_users(cleo: User, workers: Workers) -> None:
    other = await workers[0].user("olga@example.org")
    first, second = await send(cleo, "mine"), await send(other, "mine")
    assert first.message != second.message


@pytest.mark.parametrize("key", ["x" * 129, "caf\u00e9", "tab\there"])
async def test_a_key_that_is_none_is_refused(cleo: User, key: str) -> None:
    answer = await cleo.post("/api/chat/stream", data={"message": "How?", "client_request_id": key})
    assert refusal(answer) == (400, "Invalid Idempotency-Key", "invalid_field")


async def test_after_a_failure_without_a_word_the_stored_question_is_asked_again(
    cleo: User, llm: LlmServiceServer
) -> None:
    llm.script = Script(status=500, body=b"{}", content_type="application/json")
    failed = (await send(cleo, "retry")).response
    assert failed.status_code == 502
    session = failed.json()["session_id"]
    llm.script = Script(pieces=["Now ", "it works."], first_after=0.2)
    before = len(llm.received)
    answers = await asyncio.gather(*(send(cleo, "retry") for _ in range(10)))
    assert {told.text for told in answers} == {"Now it works."}
    assert len(llm.received) == before + 1
    messages = await cleo.messages(session)
    assert [m["role"] for m in messages] == ["user", "assistant"]


async def test_a_question_that_was_refused_leaves_the_key_free(cleo: User) -> None:
    answer = (await send(cleo, "refused", session_id=10**6)).response
    assert refusal(answer) == (404, "Session not found", "not_found")
    assert (await send(cleo, "refused")).last["status"] == "complete"


async def test_a_key_is_kept_for_a_day_and_cannot_be_read(cleo: User, valkey: Valkey) -> None:
    with Redis.from_url(f"{valkey.url}?db=2") as redis:
        before = set(redis.keys("idem:*"))
        await send(cleo, "a secret of the client")
        (key,) = set(redis.keys("idem:*")) - before
        assert 86300 < redis.ttl(key) <= 86400
        assert b"secret" not in key
        assert b"How?" not in redis.get(key)
