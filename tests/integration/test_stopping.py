"""Ban and deletion end what is being answered, at whatever worker it is (contract 2.1)."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dishka import Provider, Scope
from redis import Redis
from typing_extensions import override

from adapters.redis.calls import RedisCalls
from adapters.redis.client import connect
from application.ports.calls import Call, Calls, Stopped, StopUser
from domain.conversation import MessageId, SessionId
from domain.user import UserId
from entrypoints.admin import create_admin
from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, Told, User, a_house, running
from tests.integration.leaving import leave, receipt, with_body
from tests.integration.waiting import until
from tests.postgresql import fresh_database
from tests.servers.llm_service import LlmServiceServer

ANN, ADA = "ann@example.org", "ada@example.org"
SLOWLY = "Tell me everything. [[gap=0.05]]"
FOR_MINUTES = "Tell me everything. [[gap=0.2]]" + " word" * 600  # however long it takes to leave


@dataclass(frozen=True, slots=True)
class Workers:
    """Two of one installation."""

    one: House
    other: House


@pytest.fixture(params=["sqlite", "postgresql"])
async def workers(
    request: pytest.FixtureRequest, tmp_path: Path, redis: Redis, valkey: Valkey
) -> AsyncIterator[Workers]:
    more = {}
    if request.param == "postgresql":
        more["DATABASE_URL"] = await fresh_database(request.getfixturevalue("postgresql"))
    async with (
        LlmServiceServer() as llm,
        a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, **more) as one,
        running(one.settings) as other,
    ):

        async def both_listen() -> bool:
            return bool(redis.pubsub_numsub("chat:ctl")[0][1] >= 2)

        await until(both_listen)
        yield Workers(one, other)


@dataclass(slots=True)
class Listener:
    """Somebody who reads an answer, and when it ended for him."""

    told: Told | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    ended_at: float = 0.0

    async def listen(self, user: User, question: str) -> None:
        async with user.house.client.stream(
            "POST", "/api/chat/stream", headers=user.headers, data={"message": question}
        ) as answer:
            self.told = Told(answer)
            rest = b""
            async for piece in answer.aiter_bytes():
                *frames, rest = (rest + piece).split(b"\n\n")
                for frame in frames:
                    self.told.add(frame)
                if len(self.told.events) > 3:
                    self.began.set()
        self.ended_at = time.monotonic()


async def end(user: User, question: str, act: Callable[[], Awaitable[object]]) -> tuple[Told, float]:
    """What a reader was told whose answer somebody ended, and how long after that it did end."""
    listener = Listener()
    listening = asyncio.create_task(listener.listen(user, question))
    await asyncio.wait_for(listener.began.wait(), 10)
    await act()
    acted_at = time.monotonic()
    await asyncio.wait_for(listening, 10)
    assert listener.told is not None
    return listener.told, listener.ended_at - acted_at


def assert_stopped(told: Told, took: float) -> None:
    """10.2, row 3c."""
    assert told.kinds == ["streaming", "finished", "complete"]
    assert told.last["interrupted"] is True
    assert told.last["text"] == told.text != ""
    assert took < 1


async def test_deletion_elsewhere_ends_the_answer(
    workers: Workers, caplog: pytest.LogCaptureFixture, redis: Redis
) -> None:
    ann = await workers.one.user(ANN)
    said = " ".join(["word"] * 400)

    async def go() -> None:
        answer = await leave(ann, ANN, workers.other)
        assert answer.status_code == 200, answer.text

    told, took = await end(ann, f"{SLOWLY} {said}", go)

    assert_stopped(told, took)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert "internal" not in caplog.text
    assert (await ann.get("/api/chat/history")).status_code == 401

    async def tidied_up() -> bool:
        return not redis.keys("chat:run:*") and not redis.keys("chat:events:*")

    await until(tidied_up)


async def test_a_ban_elsewhere_ends_the_answer_and_keeps_what_was_said(workers: Workers) -> None:
    await create_admin(workers.one.settings, ADA, PASSWORD, "admin")
    ann, ada = await workers.one.user(ANN), await workers.other.login(ADA)
    id = (await ann.get("/api/user/profile")).json()["id"]
    said = " ".join(["word"] * 400)

    async def ban() -> None:
        answer = await with_body("PUT", workers.other, f"/api/admin/users/{id}", ada, {"status": "banned"})
        assert answer.status_code == 200, answer.text

    told, took = await end(ann, f"{SLOWLY} {said}", ban)

    assert_stopped(told, took)
    lifted = await with_body("PUT", workers.other, f"/api/admin/users/{id}", ada, {"status": "inactive"})
    assert lifted.status_code == 200
    again = await workers.one.login(ANN)
    answer = (await again.messages(told.session))[-1]
    assert (answer["content"], answer["interrupted"]) == (told.text, True)


async def test_a_deletion_before_the_first_word_ends_the_answer_too(
    workers: Workers, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await workers.one.user(ANN)
    asking = asyncio.create_task(ann.ask("Think for long. [[first_after=30]]"))

    async def asked() -> bool:
        return bool(redis.keys("chat:run:*"))

    await until(asked)
    await asyncio.sleep(0.3)

    assert (await leave(ann, ANN, workers.other)).status_code == 200

    told = await asyncio.wait_for(asking, 2)
    assert told.response.status_code == 200, told.response.text
    assert told.kinds == ["finished", "complete"]
    assert told.last["interrupted"] is True
    assert "internal" not in caplog.text


async def test_others_are_left_alone(workers: Workers) -> None:
    ann, ben = await workers.one.user(ANN), await workers.one.user("ben@example.org")
    asking = asyncio.create_task(ben.ask("Tell me everything. [[gap=0.02]] " + "word " * 30))
    await asyncio.sleep(0.3)
    assert (await leave(ann, ANN, workers.other)).status_code == 200
    told = await asking
    assert told.kinds == ["streaming", "finished", "complete"]
    assert "interrupted" not in told.last


class HardOfHearing(Calls):
    """Misses the first order to stop a user, as a worker does whose line is down just then."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.missed: list[UserId] = []

    @override
    async def stop_user(self, user: UserId) -> None:
        await self.calls.stop_user(user)

    @override
    async def stop_unread(self, session: SessionId) -> None:
        await self.calls.stop_unread(session)

    @override
    async def followed(self, messages: Sequence[MessageId]) -> None:
        await self.calls.followed(messages)

    @override
    async def stop_session(self, session: SessionId, within_s: float) -> Stopped | None:
        return await self.calls.stop_session(session, within_s)

    @override
    async def confirm(self, order: str, stopped: Stopped) -> None:
        await self.calls.confirm(order, stopped)

    @override
    async def files_changed(self, user: UserId) -> None:
        await self.calls.files_changed(user)

    @override
    async def jobs_cancelled(self) -> None:
        await self.calls.jobs_cancelled()

    @override
    async def heard(self) -> AsyncGenerator[Call]:
        async with aclosing(self.calls.heard()) as heard:
            async for call in heard:
                if isinstance(call, StopUser) and not self.missed:
                    self.missed.append(call.user)
                else:
                    yield call


async def test_an_order_that_a_worker_missed_is_given_again_by_the_erasure(
    tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> None:
    async with connect(valkey.url) as one, connect(valkey.url) as other:
        deaf = HardOfHearing(RedisCalls(one, other, one))
        override_ = Provider(scope=Scope.APP)
        override_.provide(lambda: deaf, provides=Calls, override=True)
        async with a_house(tmp_path, override_, REDIS_URL=valkey.url, LLM_URL=llm.url) as house:
            ann = await house.user(ANN)
            id = (await ann.get("/api/user/profile")).json()["id"]

            async def go() -> None:
                assert (await leave(ann, ANN)).status_code == 200

            told, _ = await end(ann, FOR_MINUTES, go)

            assert deaf.missed[0] == id
            assert told.kinds == ["streaming", "finished", "complete"]
            assert told.last["interrupted"] is True
            assert "replies" in await receipt(house, id)
