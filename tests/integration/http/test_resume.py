"""GET /chat/stream/{message_id}: the same reply again, from any place, at any worker."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import House, Told, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.following import Workers, asking, at, followed, following
from tests.integration.waiting import until
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

PIECES = [f"word{n} " for n in range(30)]
TEXT = "".join(PIECES)


@pytest.fixture
def slowly(llm: LlmServiceServer) -> Any:
    """Thirty words in a second and a half."""
    llm.script = Script(pieces=PIECES, gap=0.05)
    yield llm
    llm.script = Script()


def numbers(told: Told) -> list[int]:
    return [int(id.rpartition("-")[2]) for id in told.ids]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["its own worker", "another worker"])
class TestLive:
    async def test_the_rest_comes_after_the_place_that_was_reached(
        self, cleo: User, workers: Workers, slowly: LlmServiceServer, elsewhere: bool
    ) -> None:
        async with asking(cleo, "How?") as stream:
            first = (await stream.until(5)).told
        again = await followed(at(workers[elsewhere], cleo), first.message, first.ids[-1])
        assert numbers(first) + numbers(again) == list(range(1, 33))
        assert first.text + again.text == TEXT
        assert again.last["text"] == TEXT
        assert again.kinds == ["streaming", "finished", "complete"]

    async def test_several_follow_one_reply_from_the_start(
        self, cleo: User, workers: Workers, slowly: LlmServiceServer, elsewhere: bool
    ) -> None:
        asked = len(slowly.received)
        async with asking(cleo, "How?") as stream:
            await stream.until(2)
            reader = at(workers[elsewhere], cleo)
            message = stream.told.message
            others = [asyncio.create_task(followed(reader, message)) for _ in range(5)]
            told = await stream.to_the_end()
        for other in await asyncio.gather(*others):
            assert (other.ids, other.events) == (told.ids, told.events)
        assert len(slowly.received) == asked + 1

    async def test_pieces_come_as_they_are_said(
        self, cleo: User, workers: Workers, slowly: LlmServiceServer, elsewhere: bool
    ) -> None:
        async with asking(cleo, "How?") as stream:
            await stream.until(1)
            async with following(at(workers[elsewhere], cleo), stream.told.message) as other:
                await other.until(8)
                assert other.told.last["status"] == "streaming"

    async def test_a_stopped_one_ends_here_too(
        self, cleo: User, workers: Workers, slowly: LlmServiceServer, elsewhere: bool
    ) -> None:
        async with asking(cleo, "How?") as stream:
            await stream.until(3)
            async with following(at(workers[elsewhere], cleo), stream.told.message) as other:
                await other.until(3)
                stopped = await cleo.post(f"/api/chat/{stream.told.session}/stop")
                assert stopped.json()["stopped"] is True
                told = await other.to_the_end()
        assert told.kinds == ["streaming", "finished", "complete"]
        assert told.last["interrupted"] is True
        assert told.last["text"] == told.text


@pytest.mark.parametrize("elsewhere", [False, True], ids=["its own worker", "another worker"])
class TestFinished:
    async def test_from_the_start(self, cleo: User, workers: Workers, elsewhere: bool) -> None:
        told = await cleo.ask("How do plants make sugar?")
        again = await followed(at(workers[elsewhere], cleo), told.message)
        assert (again.ids, again.events) == (told.ids, told.events)

    async def test_from_every_place_in_it(self, cleo: User, workers: Workers, elsewhere: bool) -> None:
        told = await cleo.ask("How?")
        for n, id in enumerate(told.ids[:-1], 1):
            again = await followed(at(workers[elsewhere], cleo), told.message, id)
            assert (again.ids, again.events) == (told.ids[n:], told.events[n:])

    async def test_nothing_is_left_after_the_last_event(
        self, cleo: User, workers: Workers, elsewhere: bool
    ) -> None:
        told = await cleo.ask("How?")
        headers = {**cleo.headers, "Last-Event-ID": told.ids[-1]}
        answer = await workers[elsewhere].client.get(f"/api/chat/stream/{told.message}", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")


async def forgotten(redis: Redis, message: int) -> None:
    """The copy of a reply that has ended is gone; not before it is complete, or the rest would follow."""

    async def is_complete() -> bool:
        return 0 < int(redis.ttl(f"chat:events:{message}")) <= 600

    await until(is_complete, 10)
    redis.delete(f"chat:events:{message}")


class TestForgotten:
    """Ten minutes after its end the events are gone."""

    @pytest.fixture
    async def told(self, cleo: User, valkey: Valkey) -> Told:
        told = await cleo.ask("How?")
        with Redis.from_url(f"{valkey.url}?db=2") as redis:
            await forgotten(redis, told.message)
        return told

    async def test_the_stored_text_is_told(self, cleo: User, told: Told) -> None:
        again = await followed(cleo, told.message)
        assert again.kinds == ["streaming", "finished", "complete"]
        assert again.text == told.text == again.last["text"]
        assert numbers(again) == list(range(1, len(again.ids) + 1))

    async def test_who_had_some_of_it_is_told_the_end(self, cleo: User, told: Told) -> None:
        again = await followed(cleo, told.message, told.ids[0])
        assert again.kinds == ["finished", "complete"]
        assert numbers(again) == [2, 3]
        assert again.last["text"] == told.text
        headers = {**cleo.headers, "Last-Event-ID": again.ids[-1]}
        answer = await cleo.house.client.get(f"/api/chat/stream/{told.message}", headers=headers)
        assert answer.status_code == 204


class TestRefusals:
    @pytest.mark.parametrize(
        "last",
        ["x", "1", "-", "1-", "-1", "{m}-x", "{m}-1-2", "{m}--1", "{m}-\u00b2", "{m}-" + "9" * 30, "0-1"],
    )
    async def test_of_an_id_that_is_none(self, ann: User, last: str) -> None:
        told = await ann.ask("How?")
        last = last.replace("{m}", str(told.message))
        answer = await ann.get(f"/api/chat/stream/{told.message}", params={"last_event_id": last})
        assert refusal(answer) == (400, "Invalid Last-Event-ID", "bad_request")

    async def test_of_what_is_not_ones_own(self, ann: User, bob: User) -> None:
        told = await ann.ask("How?")
        question = (await ann.messages(told.session))[0]["id"]
        for user, message in ((bob, told.message), (ann, question), (ann, 10**6), (ann, 0), (ann, "x")):
            answer = await user.get(f"/api/chat/stream/{message}")
            assert refusal(answer) == (404, "Message not found", "not_found")
            answer = await user.post(f"/api/chat/stream/{message}/ticket")
            assert refusal(answer) == (404, "Message not found", "not_found")

    async def test_the_query_may_say_what_the_header_would(self, ann: User) -> None:
        told = await ann.ask("How?")
        again = await followed(ann, told.message, last_event_id=told.ids[0])
        assert again.ids == told.ids[1:]

    async def test_head_tells_the_headers_alone(self, ann: User) -> None:
        told = await ann.ask("How?")
        answer = await ann.house.client.head(f"/api/chat/stream/{told.message}", headers=ann.headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-message-id"] == str(told.message)


class TestTickets:
    async def test_one_stands_for_the_token(self, ann: User) -> None:
        told = await ann.ask("How?")
        issued = (await ann.post(f"/api/chat/stream/{told.message}/ticket")).json()
        assert issued["expires_in_seconds"] == 600
        for name in ("ticket", "ticket", "params[ticket]"):
            answer = await ann.house.client.get(
                f"/api/chat/stream/{told.message}", params={name: issued["ticket"]}
            )
            assert answer.status_code == 200
            assert Told.from_response(answer).events == told.events
            assert "x-new-token" not in answer.headers

    async def test_it_opens_one_reply_and_nothing_else(self, ann: User) -> None:
        told, other = await ann.ask("How?"), await ann.ask("Why?")
        ticket = (await ann.post(f"/api/chat/stream/{told.message}/ticket")).json()["ticket"]
        client = ann.house.client
        for path in (f"/api/chat/stream/{other.message}", "/api/chat/history"):
            answer = await client.get(path, params={"ticket": ticket})
            assert answer.status_code == 401, path
        answer = await client.get(f"/api/chat/stream/{told.message}", params={"ticket": ticket + "x"})
        assert refusal(answer) == (401, "Token is invalid or expired.", "token_revoked")

    async def test_it_dies_with_the_login_it_was_made_in(self, house: House) -> None:
        dora = await house.user("dora@example.org")
        told = await dora.ask("How?")
        ticket = (await dora.post(f"/api/chat/stream/{told.message}/ticket")).json()["ticket"]
        await dora.post("/api/logout")
        answer = await house.client.get(f"/api/chat/stream/{told.message}", params={"ticket": ticket})
        assert refusal(answer) == (401, "Token is invalid or expired.", "token_revoked")

    async def test_its_secret_is_kept_nowhere(self, house: House, redis: Redis, tmp_path: Path) -> None:
        dora = await house.user("dora@example.org")
        told = await dora.ask("How?")
        ticket = (await dora.post(f"/api/chat/stream/{told.message}/ticket")).json()["ticket"]
        (key,) = redis.keys("ticket:*")
        assert 590 < redis.ttl(key) <= 600
        assert ticket not in f"{key!r} {redis.get(key)!r}"


async def test_a_reply_whose_worker_was_killed_is_told_as_it_is_stored(
    tmp_path: Path, valkey: Valkey, llm: LlmServiceServer
) -> None:
    """What the reader saw beyond the copy is gone; the last event says what counts."""
    async with a_house(tmp_path, REDIS_URL=f"{valkey.url}?db=3", LLM_URL=llm.url) as house:
        eve = await house.user("eve@example.org")
        told = await eve.ask("How?")
        message = told.message
        with Redis.from_url(f"{valkey.url}?db=3") as redis:
            redis.delete(f"chat:events:{message}")
        await house.sql(f"update message set state = 'streaming', content = '' where id = {message}")
        seen = f"{message}-4"
        async with asyncio.timeout(20):
            async with following(eve, message, seen) as stream:
                await stream.to_the_end()
            again = await followed(eve, message, seen)
        assert again.kinds == ["error", "complete"]
        assert numbers(again) == [5, 6]
        assert again.events[0]["code"] == "internal"
        assert again.last == {
            **{"status": "complete", "session_id": told.session, "message_id": message},
            **{"text": "", "interrupted": True},
        }
        answer = await eve.get(f"/api/chat/stream/{message}", params={"last_event_id": again.ids[-1]})
        assert answer.status_code == 204


async def test_a_redis_that_forgets_running_replies_cuts_none_of_them(
    cleo: User, workers: Workers, valkey: Valkey, llm: LlmServiceServer
) -> None:
    """Their workers say again what they generate before anybody else takes them for dead."""
    pieces = [f"word{n} " for n in range(100)]
    llm.script = Script(pieces=pieces, gap=0.05)
    try:
        async with asking(cleo, "How?") as stream:
            await stream.until(5)
            with Redis.from_url(f"{valkey.url}?db=2") as redis:
                forgotten = [*redis.keys("chat:*"), *redis.keys("worker:*")]
                redis.delete(*forgotten)
            reader = at(workers[1], cleo)
            other = asyncio.create_task(followed(reader, stream.told.message))
            told = await stream.to_the_end()
        assert told.text == "".join(pieces)
        assert "interrupted" not in told.last
        assert (await other).events == told.events
    finally:
        llm.script = Script()
