"""Which tokens are alive."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.redis.login_sessions import RedisLoginSessions
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.contracts.times import Time
from tests.fakes.login_sessions import FakeLoginSessions

ANN, BEN = UserId(1), UserId(2)
IDLE_S = 1


@pytest.fixture
def sessions(kind: str, time: Time, redis: Redis) -> LoginSessions:
    if kind == "memory":
        return FakeLoginSessions(time.clock, timedelta(seconds=IDLE_S))
    return RedisLoginSessions(redis, IDLE_S)


def claims(time: Time, user: UserId = ANN, life: float = 3600) -> Claims:
    now = time.now()
    return Claims(user, str(uuid4()), now, now + timedelta(seconds=life), now)


async def opened(
    sessions: LoginSessions, time: Time, user: UserId = ANN, life: float = 3600, *, single: bool = False
) -> Claims:
    token = claims(time, user, life)
    await sessions.open(token, "ann@example.org", time.now(), single=single)
    return token


async def alive(sessions: LoginSessions, time: Time, *tokens: Claims) -> list[bool]:
    return [await sessions.is_alive(token, time.now(), active=False) for token in tokens]


class TestOpening:
    async def test_makes_the_token_live_and_no_other(self, sessions: LoginSessions, time: Time) -> None:
        token = await opened(sessions, time)
        assert await alive(sessions, time, token, claims(time)) == [True, False]

    async def test_single_ends_all_others_of_the_account_only(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        first, second = await opened(sessions, time), await opened(sessions, time)
        bens = await opened(sessions, time, BEN)
        assert await alive(sessions, time, first, second, bens) == [True, True, True]
        newest = await opened(sessions, time, single=True)
        assert await alive(sessions, time, first, second, newest, bens) == [False, False, True, True]

    async def test_of_parallel_single_logins_one_token_is_left(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        tokens = await asyncio.gather(*(opened(sessions, time, single=True) for _ in range(20)))
        assert sum(await alive(sessions, time, *tokens)) == 1


class TestIdleLimit:
    async def test_ends_an_unused_token(self, sessions: LoginSessions, time: Time) -> None:
        token = await opened(sessions, time)
        await time.pass_(IDLE_S + 0.1)
        assert not await sessions.is_alive(token, time.now(), active=True)

    async def test_is_put_off_by_activity_but_not_by_polling(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        used, polled = await opened(sessions, time), await opened(sessions, time)
        await time.pass_(0.6)
        assert await sessions.is_alive(used, time.now(), active=True)
        assert await sessions.is_alive(polled, time.now(), active=False)
        await time.pass_(0.6)
        assert await alive(sessions, time, used, polled) == [True, False]

    async def test_never_reaches_beyond_the_tokens_own_end(self, sessions: LoginSessions, time: Time) -> None:
        token = await opened(sessions, time, life=0.5)
        await time.pass_(0.3)
        assert await sessions.is_alive(token, time.now(), active=True)
        await time.pass_(0.3)
        assert await alive(sessions, time, token) == [False]


class TestClosing:
    async def test_tells_whether_it_was_the_last(self, sessions: LoginSessions, time: Time) -> None:
        first, second = await opened(sessions, time), await opened(sessions, time)
        await opened(sessions, time, BEN)
        assert not await sessions.close(first)
        assert await alive(sessions, time, first, second) == [False, True]
        assert await sessions.close(second)
        assert await sessions.close(second)  # twice is fine

    async def test_does_not_count_what_expired_by_itself(self, sessions: LoginSessions, time: Time) -> None:
        first = await opened(sessions, time)
        await opened(sessions, time, life=0.3)
        await time.pass_(0.4)
        assert await sessions.close(first)

    async def test_an_older_token_leaves_the_newer_one_alone(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        old = await opened(sessions, time)
        new = await opened(sessions, time, single=True)
        assert not await sessions.close(old)
        assert await alive(sessions, time, new) == [True]

    async def test_all_ends_every_token_of_the_account(self, sessions: LoginSessions, time: Time) -> None:
        tokens = [await opened(sessions, time) for _ in range(3)]
        bens = await opened(sessions, time, BEN)
        await sessions.close_all(ANN)
        assert await alive(sessions, time, *tokens, bens) == [False, False, False, True]
        assert await sessions.close(tokens[0])


class TestOutage:
    async def test_is_never_a_guess(self, kind: str, time: Time, no_redis: Redis) -> None:
        down: LoginSessions = RedisLoginSessions(no_redis, IDLE_S)
        if kind == "memory":
            down = FakeLoginSessions(time.clock, down=True)
        token = claims(time)
        for ask in (
            down.open(token, "ann@example.org", time.now(), single=True),
            down.is_alive(token, time.now(), active=True),
            down.is_alive(token, time.now(), active=False),
            down.close(token),
            down.close_all(ANN),
        ):
            with pytest.raises(StorageUnavailable):
                await ask


class TestInRedis:
    async def test_keys_are_as_documented_and_expire(self, redis: Redis, time: Time) -> None:
        sessions = RedisLoginSessions(redis, 100)
        token = await opened(sessions, time)
        keys = {f"token:{token.jti}", f"user_token:{ANN}", f"user_tokens:{ANN}"}
        assert set(await redis.keys("*")) == {key.encode() for key in keys}
        assert await redis.get(f"user_token:{ANN}") == token.jti.encode()
        assert all([0 < await redis.ttl(key) <= 100 for key in keys])
        await redis.set(f"sessionid:{ANN}", 7)
        assert await sessions.close(token)
        assert not await redis.exists(f"user_token:{ANN}", f"token:{token.jti}", f"sessionid:{ANN}")
