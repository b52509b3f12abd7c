"""Which tokens are alive."""

import asyncio
import json
from datetime import timedelta
from typing import Any
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
GRACE = timedelta(seconds=0.3)


@pytest.fixture
def sessions(kind: str, time: Time, redis: Redis) -> LoginSessions:
    if kind == "memory":
        return FakeLoginSessions(time.clock, timedelta(seconds=IDLE_S), GRACE)
    return RedisLoginSessions(redis, IDLE_S, GRACE)


def claims(time: Time, user: UserId = ANN, life: float = 3600) -> Claims:
    now = time.now()
    return Claims(user, str(uuid4()), now, now + timedelta(seconds=life), now)


async def opened(
    sessions: LoginSessions, time: Time, user: UserId = ANN, life: float = 3600, *, single: bool = False
) -> Claims:
    token = claims(time, user, life)
    await sessions.open(token, "ann@example.org", time.now(), single=single)
    return token


async def succeeded(sessions: LoginSessions, time: Time, old: Claims, life: float = 7200) -> Claims:
    found = await sessions.succeed(old, following(time, old, life), "ann@example.org", time.now())
    assert found is not None
    return found


def following(time: Time, old: Claims, life: float = 7200) -> Claims:
    """As the sessions note it: in whole seconds."""
    now = time.now().replace(microsecond=0)
    return Claims(old.user, str(uuid4()), now, now + timedelta(seconds=life), old.auth_time)


async def used(sessions: LoginSessions, time: Time, token: Claims, *, active: bool = True) -> None:
    assert await sessions.is_alive(token, time.now(), active=active)


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


class TestSuccession:
    async def test_makes_a_second_token_that_lives_beside_the_first(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        old = await opened(sessions, time)
        assert await sessions.successor_of(old) is None
        new = following(time, old)
        assert await sessions.succeed(old, new, "ann@example.org", time.now()) == new
        assert await sessions.successor_of(old) == new
        assert await sessions.successor_of(new) is None
        assert await alive(sessions, time, old) == [True]
        assert await alive(sessions, time, new) == [True]

    async def test_happens_once_however_many_race(self, sessions: LoginSessions, time: Time) -> None:
        old = await opened(sessions, time)
        made = await asyncio.gather(*(succeeded(sessions, time, old) for _ in range(20)))
        assert len({token.jti for token in made}) == 1
        assert await alive(sessions, time, old, made[0]) == [True, True]

    async def test_of_a_dead_token_makes_nothing(self, sessions: LoginSessions, time: Time) -> None:
        old = await opened(sessions, time)
        await sessions.close(old)
        new = following(time, old)
        assert await sessions.succeed(old, new, "ann@example.org", time.now()) is None
        assert await alive(sessions, time, new) == [False]

    @pytest.mark.parametrize("active", [True, False])
    async def test_ends_the_first_a_while_after_the_second_was_used(
        self, sessions: LoginSessions, time: Time, active: bool
    ) -> None:
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old)
        await time.pass_(0.4)
        assert await alive(sessions, time, old) == [True]
        await used(sessions, time, new, active=active)
        assert await alive(sessions, time, old) == [True]
        await time.pass_(0.4)
        assert await alive(sessions, time, old, new) == [False, True]
        assert await sessions.successor_of(old) == new  # for who still asks with the first

    async def test_gives_the_first_no_more_time_however_it_or_the_second_is_used(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old)
        await used(sessions, time, new)
        await time.pass_(0.2)
        await used(sessions, time, new)
        await used(sessions, time, old)
        await time.pass_(0.2)
        assert await alive(sessions, time, old, new) == [False, True]

    async def test_prolongs_no_first_that_is_nearer_to_its_end(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        old = await opened(sessions, time, life=0.4)
        new = await succeeded(sessions, time, old)
        await time.pass_(0.3)
        await used(sessions, time, new)
        await time.pass_(0.2)
        assert await alive(sessions, time, old, new) == [False, True]

    async def test_lets_the_use_of_the_first_keep_both(self, sessions: LoginSessions, time: Time) -> None:
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old)
        for _ in range(2):
            await time.pass_(0.6)
            await used(sessions, time, old)
        assert await alive(sessions, time, old, new) == [True, True]

    async def test_is_forgotten_with_the_second(self, sessions: LoginSessions, time: Time) -> None:
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old, life=1)
        await time.pass_(0.5)
        await used(sessions, time, old)
        await time.pass_(0.6)
        assert await alive(sessions, time, old) == [True]
        assert await sessions.successor_of(old) is None
        again = following(time, old)
        assert await sessions.succeed(old, again, "ann@example.org", time.now()) is None
        assert await alive(sessions, time, new, again) == [False, False]


class TestClosing:
    @pytest.mark.parametrize("presented", [0, 1, 2])
    async def test_ends_the_whole_family(self, sessions: LoginSessions, time: Time, presented: int) -> None:
        first = await opened(sessions, time)
        second = await succeeded(sessions, time, first)
        third = await succeeded(sessions, time, second)
        other = await opened(sessions, time)
        family = first, second, third
        assert not await sessions.close(family[presented])
        assert await alive(sessions, time, *family, other) == [False, False, False, True]
        assert await sessions.successor_of(first) is None
        assert await sessions.close(other)

    async def test_of_a_token_past_its_grace_ends_its_successor(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old)
        await used(sessions, time, new)
        await time.pass_(0.4)
        assert await sessions.close(old)
        assert await alive(sessions, time, old, new) == [False, False]

    async def test_all_or_by_a_single_login_ends_successors_too(
        self, sessions: LoginSessions, time: Time
    ) -> None:
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old)
        other = await opened(sessions, time, single=True)
        next = await succeeded(sessions, time, other)
        assert await alive(sessions, time, old, new, other) == [False, False, True]
        await sessions.close_all(ANN)
        assert await alive(sessions, time, other, next) == [False, False]
        for token in (old, other):
            assert await sessions.successor_of(token) is None

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
    async def test_who_has_none_left_is_absent(self, sessions: LoginSessions, time: Time) -> None:
        await opened(sessions, time, ANN)
        left = await opened(sessions, time, BEN)
        assert await sessions.absent([ANN, BEN, UserId(3)]) == [UserId(3)]
        await sessions.close(left)
        assert await sessions.absent([ANN, BEN]) == [BEN]
        await time.pass_(IDLE_S + 0.1)
        assert await sessions.absent([ANN, BEN]) == [ANN, BEN]

    async def test_is_never_a_guess(self, kind: str, time: Time, no_redis: Redis) -> None:
        down: LoginSessions = RedisLoginSessions(no_redis, IDLE_S)
        if kind == "memory":
            down = FakeLoginSessions(time.clock, down=True)
        token = claims(time)
        for ask in (
            down.open(token, "ann@example.org", time.now(), single=True),
            down.is_alive(token, time.now(), active=True),
            down.is_alive(token, time.now(), active=False),
            down.succeed(token, token, "ann@example.org", time.now()),
            down.successor_of(token),
            down.close(token),
            down.close_all(ANN),
        ):
            with pytest.raises(StorageUnavailable):
                await ask


async def note_of(redis: Redis, old: Claims) -> dict[str, Any]:
    noted = await redis.get(f"token_next:{old.jti}")
    assert noted is not None
    fields: dict[str, Any] = json.loads(noted)
    return fields


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

    async def test_a_successor_is_noted_until_the_older_tokens_end(self, redis: Redis, time: Time) -> None:
        sessions = RedisLoginSessions(redis, 100)
        old = await opened(sessions, time, life=50)
        new = await succeeded(sessions, time, old)
        noted = {"jti": new.jti, "iat": int(new.issued_at.timestamp()), "used_at": None}
        noted["exp"] = int(new.expires_at.timestamp())
        assert await note_of(redis, old) == noted
        assert await redis.get(f"token_prev:{new.jti}") == old.jti.encode()
        assert await redis.get(f"user_token:{ANN}") == new.jti.encode()
        lives = {f"token_next:{old.jti}": 50, f"token_prev:{new.jti}": 50, f"token:{old.jti}": 50}
        lives |= {f"token:{new.jti}": 100, f"user_token:{ANN}": 100, f"user_tokens:{ANN}": 100}
        assert set(await redis.keys("*")) == {key.encode() for key in lives}
        for key, most in lives.items():
            assert most - 2 <= await redis.ttl(key) <= most

        await used(sessions, time, new)
        used_at = (await note_of(redis, old))["used_at"]
        assert abs(used_at - time.now().timestamp()) < 2
        assert 48 <= await redis.ttl(f"token_next:{old.jti}") <= 50
        await sessions.close_all(ANN)
        assert await redis.keys("*") == []

    async def test_the_older_token_is_left_a_minute(self, redis: Redis, time: Time) -> None:
        sessions = RedisLoginSessions(redis, 100)
        old = await opened(sessions, time)
        new = await succeeded(sessions, time, old)
        assert await redis.ttl(f"token:{old.jti}") > 60
        await used(sessions, time, new, active=False)
        assert 58 <= await redis.ttl(f"token:{old.jti}") <= 60
