"""What one worker calls, every worker that listens hears."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import pytest
from redis.asyncio import Redis

from adapters.redis.calls import CHANNEL, RedisCalls
from adapters.redis.client import connect
from application.ports.calls import (
    Call,
    Calls,
    FilesChanged,
    Followed,
    JobsCancelled,
    Stopped,
    StopSession,
    StopUnread,
    StopUser,
)
from application.tasks import ended
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.conftest import Valkey
from tests.fakes.calls import FakeCalls

ANN, BEN, PROBE = UserId(7), UserId(8), UserId(0)
BIOLOGY = SessionId(3)
STOPPED = Stopped(MessageId(9), 12)
NOISE = [
    *("", "null", "[]", "{}", '"user"', "\xff", '{"user": "x"}', '{"user": null}', '{"user": 1.5}'),
    *('{"session": 3}', '{"session": "3", "order": "o"}', '{"order": "o"}', '{"unread": []}'),
    *('{"followed": 3}', '{"followed": [[]]}', '{"followed": ["x"]}', '{"something": "new"}', '{"jobs": 1}'),
]


@pytest.fixture
def calls(kind: str, redis: Redis) -> Calls:
    return FakeCalls() if kind == "memory" else RedisCalls(redis, redis, redis)


@asynccontextmanager
async def listener(calls: Calls, *, ends: Stopped | None = None) -> AsyncIterator[list[Call]]:
    """What a worker hears; it confirms each order to stop a session with `ends`."""
    heard: list[Call] = []

    async def listen() -> None:
        async for call in calls.heard():
            heard.append(call)
            if isinstance(call, StopSession) and ends is not None:
                await calls.confirm(call.order, ends)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        await ended(task)


async def until_heard(calls: Calls, *listeners: list[Call]) -> None:
    """Once everybody listens: a call before that is missed."""
    async with asyncio.timeout(10):
        while not all(StopUser(PROBE) in heard for heard in listeners):
            await give(calls, PROBE)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    for heard in listeners:
        heard.clear()


async def give(calls: Calls, user: UserId) -> None:
    try:
        await calls.stop_user(user)
    except StorageUnavailable:
        await asyncio.sleep(0.05)


async def hears(heard: list[Call], *expected: Call) -> bool:
    async with asyncio.timeout(2):
        while len(heard) < len(expected):  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.005)
    return heard == list(expected)


class TestCalling:
    async def test_every_worker_hears_each_call_in_its_turn(self, calls: Calls) -> None:
        async with listener(calls) as one, listener(calls) as other:
            await until_heard(calls, one, other)
            await calls.stop_user(ANN)
            await calls.stop_unread(BIOLOGY)
            await calls.followed([MessageId(1), MessageId(2)])
            await calls.followed([])
            await calls.files_changed(ANN)
            await calls.jobs_cancelled()
            await calls.stop_user(BEN)
            for heard in (one, other):
                assert await hears(
                    heard,
                    *(StopUser(ANN), StopUnread(BIOLOGY), Followed([MessageId(1), MessageId(2)])),
                    *(Followed([]), FilesChanged(ANN), JobsCancelled(), StopUser(BEN)),
                )

    async def test_a_call_nobody_hears_is_no_error(self, calls: Calls) -> None:
        await calls.stop_user(ANN)
        await calls.stop_unread(BIOLOGY)
        await calls.followed([MessageId(1)])
        await calls.confirm("nobody's", STOPPED)


class TestStoppingASession:
    async def test_is_confirmed_by_who_ended_it(self, calls: Calls) -> None:
        async with listener(calls) as idle, listener(calls, ends=STOPPED) as owner:
            await until_heard(calls, idle, owner)
            assert await calls.stop_session(BIOLOGY, 5) == STOPPED
            for heard in (idle, owner):
                (call,) = heard
                assert isinstance(call, StopSession)
                assert call.session == BIOLOGY

    async def test_each_order_has_its_own_confirmation(self, calls: Calls) -> None:
        async with listener(calls) as heard:
            await until_heard(calls, heard)
            stopping = [asyncio.create_task(calls.stop_session(SessionId(n), 5)) for n in range(20)]
            async with asyncio.timeout(2):
                while len(heard) < 20:  # noqa: ASYNC110 (what is waited for has no event)
                    await asyncio.sleep(0.005)
            for call in reversed(heard):
                assert isinstance(call, StopSession)
                await calls.confirm(call.order, Stopped(MessageId(call.session), int(call.session)))
            outcomes = await asyncio.gather(*stopping)
            assert outcomes == [Stopped(MessageId(n), n) for n in range(20)]

    async def test_that_nobody_confirms_in_time_is_not_known(self, calls: Calls) -> None:
        async with listener(calls) as heard:
            await until_heard(calls, heard)
            async with asyncio.timeout(2):
                assert await calls.stop_session(BIOLOGY, 0.1) is None
            (call,) = heard
            assert isinstance(call, StopSession)
            await calls.confirm(call.order, STOPPED)  # too late, and nobody minds
            assert await calls.stop_session(BIOLOGY, 0.1) is None


@asynccontextmanager
async def two_lines(url: str, quiet_s: float = 5.0, answer_s: float = 2.0) -> AsyncIterator[RedisCalls]:
    async with connect(url, answer_s=answer_s) as redis, connect(url) as line:
        yield RedisCalls(redis, line, redis, quiet_s)


class TestValkey:
    async def test_who_listens_goes_on_when_the_server_comes_back(self, own_valkey: Valkey) -> None:
        async with two_lines(own_valkey.url) as calls, listener(calls) as heard:
            await until_heard(calls, heard)
            own_valkey.stop()
            for call in outage(calls):
                with pytest.raises(StorageUnavailable):
                    await call()
            own_valkey.start()
            await until_heard(calls, heard)
            await calls.stop_user(BEN)
            assert await hears(heard, StopUser(BEN))

    async def test_a_server_that_falls_silent_is_left_and_found_again(self, own_valkey: Valkey) -> None:
        async with two_lines(own_valkey.url, 0.1, 0.5) as calls, listener(calls) as heard:
            await until_heard(calls, heard)
            with frozen(own_valkey):
                await asyncio.sleep(1)
            await until_heard(calls, heard)
            await calls.stop_user(BEN)
            assert await hears(heard, StopUser(BEN))

    async def test_a_quiet_line_stays(self, redis: Redis) -> None:
        calls = RedisCalls(redis, redis, redis, quiet_s=0.05)
        async with listener(calls) as heard:
            await until_heard(calls, heard)
            before = await redis.client_list(_type="pubsub")
            await asyncio.sleep(0.5)
            after = await redis.client_list(_type="pubsub")
            assert [client["id"] for client in before] == [client["id"] for client in after]
            await calls.stop_user(ANN)
            assert await hears(heard, StopUser(ANN))

    @pytest.mark.parametrize("noise", NOISE)
    async def test_what_is_no_call_is_passed_over(self, redis: Redis, noise: str) -> None:
        calls = RedisCalls(redis, redis, redis)
        async with listener(calls) as heard:
            await until_heard(calls, heard)
            await redis.publish(CHANNEL, noise)
            await calls.stop_user(ANN)
            assert await hears(heard, StopUser(ANN))

    async def test_who_was_just_reconnecting_hears_the_order_the_second_time(self, redis: Redis) -> None:
        calls = RedisCalls(redis, redis, redis)
        stopping = asyncio.create_task(calls.stop_session(BIOLOGY, 5))
        await asyncio.sleep(0.1)  # it was given, and nobody heard
        async with listener(calls, ends=STOPPED) as heard:
            assert await stopping == STOPPED
            assert [type(call) for call in heard] == [StopSession]

    async def test_an_order_leaves_nothing_for_long(self, redis: Redis) -> None:
        calls = RedisCalls(redis, redis, redis)
        await calls.confirm("late", STOPPED)
        assert 25 < await redis.ttl("chat:stopped:late") <= 30
        async with listener(calls, ends=STOPPED) as heard:
            await until_heard(calls, heard)
            await calls.stop_session(BIOLOGY, 5)
        assert await redis.keys() == [b"chat:stopped:late"]

    async def test_an_order_given_twice_is_confirmed_twice(self, redis: Redis) -> None:
        calls = RedisCalls(redis, redis, redis)
        async with listener(calls, ends=STOPPED) as one, listener(calls, ends=STOPPED) as other:
            await until_heard(calls, one, other)
            assert await calls.stop_session(BIOLOGY, 5) == STOPPED

    async def test_an_outage_is_said(self, no_redis: Redis) -> None:
        for call in outage(RedisCalls(no_redis, no_redis, no_redis)):
            with pytest.raises(StorageUnavailable):
                await call()


async def test_an_outage_of_the_fake_is_said_as_well() -> None:
    calls = FakeCalls()
    calls.down = True
    for call in outage(calls):
        with pytest.raises(StorageUnavailable):
            await call()


def outage(calls: Calls) -> Sequence[Callable[[], Awaitable[object]]]:
    """Everything that cannot be said without a server."""
    return [
        lambda: calls.stop_user(ANN),
        lambda: calls.stop_unread(BIOLOGY),
        lambda: calls.followed([MessageId(1)]),
        lambda: calls.stop_session(BIOLOGY, 0.5),
        lambda: calls.confirm("o", STOPPED),
    ]


@contextmanager
def frozen(server: Valkey) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()
