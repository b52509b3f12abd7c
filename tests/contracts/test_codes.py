"""Verification codes: bound, counted, used once."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from adapters.redis.codes import RedisCodes
from adapters.redis.keyed import Keyed
from application.ports.codes import Codes, Redeemed
from domain.errors import StorageUnavailable
from domain.user import Purpose
from tests.contracts.times import Time, ToldTime
from tests.fakes.codes import FakeCodes

ANN, BEN = "ann@example.org", "ben@example.org"
REGISTER, RESET, UPDATE = Purpose.REGISTER, Purpose.RESET_PASSWORD, Purpose.UPDATE_PASSWORD


def keyed() -> Keyed:
    return Keyed.derived("s" * 32, "codes")


@pytest.fixture
def codes(kind: str, time: Time, redis: Redis) -> Codes:
    return FakeCodes(time.clock) if kind == "memory" else RedisCodes(redis, keyed())


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def redeem(codes: Codes, code: str, *purposes: Purpose, email: str = ANN) -> bool:
    return await codes.redeem(email, purposes or (REGISTER,), code) is not None


class TestCode:
    async def test_has_six_digits_and_works_once(self, codes: Codes) -> None:
        code = await codes.issue(ANN, REGISTER)
        assert len(code) == 6
        assert code.isascii()
        assert code.isdigit()
        assert await redeem(codes, code)
        assert not await redeem(codes, code)

    async def test_is_replaced_by_a_newer_one_with_its_own_attempts(self, codes: Codes) -> None:
        first = await codes.issue(ANN, REGISTER)
        for _ in range(4):
            assert not await redeem(codes, wrong(first))
        second = await codes.issue(ANN, REGISTER)
        assert first == second or not await redeem(codes, first)
        for _ in range(3):
            assert not await redeem(codes, wrong(second))
        assert await redeem(codes, second)

    async def test_belongs_to_address_and_purpose(self, codes: Codes) -> None:
        code = await codes.issue(ANN, REGISTER)
        assert not await redeem(codes, code, email=BEN)
        assert not await redeem(codes, code, RESET, UPDATE)
        assert await redeem(codes, code)

    async def test_is_restored_for_the_rest_of_its_life(self, codes: Codes, time: Time) -> None:
        code = await codes.issue(ANN, RESET)
        redeemed = await codes.redeem(ANN, (UPDATE, RESET), code)
        assert redeemed is not None
        assert redeemed.purpose is RESET
        assert timedelta(seconds=290) < redeemed.left <= timedelta(seconds=300)
        await codes.restore(ANN, code, redeemed)
        assert not await redeem(codes, code, UPDATE)
        assert await redeem(codes, code, RESET)
        await codes.restore(ANN, code, Redeemed(RESET, timedelta(seconds=0.2)))
        await time.pass_(0.3)
        assert not await redeem(codes, code, RESET)

    async def test_is_not_restored_over_a_newer_one(self, codes: Codes) -> None:
        first = await codes.issue(ANN, RESET)
        redeemed = await codes.redeem(ANN, (RESET,), first)
        assert redeemed is not None
        second = await codes.issue(ANN, RESET)
        await codes.restore(ANN, first, redeemed)
        assert first == second or not await redeem(codes, first, RESET)
        assert await redeem(codes, second, RESET)

    async def test_opens_any_of_the_purposes_asked_for(self, codes: Codes) -> None:
        code = await codes.issue(ANN, RESET)
        assert await redeem(codes, code, UPDATE, RESET)
        assert not await redeem(codes, code, UPDATE, RESET)

    async def test_is_destroyed_by_the_fifth_wrong_guess(self, codes: Codes) -> None:
        code = await codes.issue(ANN, REGISTER)
        for _ in range(5):
            assert not await redeem(codes, wrong(code))
        assert not await redeem(codes, code)

    async def test_survives_four(self, codes: Codes) -> None:
        code = await codes.issue(ANN, REGISTER)
        for _ in range(4):
            assert not await redeem(codes, wrong(code))
        assert await redeem(codes, code)

    async def test_a_guess_counts_against_every_code_it_was_tried_on(self, codes: Codes) -> None:
        reset, update = await codes.issue(ANN, RESET), await codes.issue(ANN, UPDATE)
        guess = next(code for code in ("000000", "000001", "000002") if code not in (reset, update))
        for _ in range(5):
            assert not await redeem(codes, guess, RESET, UPDATE)
        assert not await redeem(codes, reset, RESET)
        assert not await redeem(codes, update, UPDATE)

    @pytest.mark.parametrize(
        "odd", ["", "0", "1234567", "１２３４５６", "12 345", "abcdef", "\x00", "9" * 5000]
    )
    async def test_odd_guesses_are_wrong_guesses(self, codes: Codes, odd: str) -> None:
        await codes.issue(ANN, REGISTER)
        assert not await redeem(codes, odd)

    async def test_of_many_who_redeem_it_at_once_one_wins(self, codes: Codes) -> None:
        code = await codes.issue(ANN, REGISTER)
        assert sum(await asyncio.gather(*(redeem(codes, code) for _ in range(50)))) == 1

    async def test_of_many_guesses_at_once_five_are_judged(self, codes: Codes) -> None:
        code = await codes.issue(ANN, REGISTER)
        guesses = [redeem(codes, wrong(code)) for _ in range(50)]
        assert not any(await asyncio.gather(*guesses))
        assert not await redeem(codes, code)


class TestPause:
    async def test_begins_with_the_first_request_for_an_address(self, codes: Codes) -> None:
        assert await codes.wait(ANN) == 0
        assert 1 <= await codes.wait(ANN) <= 10
        assert await codes.wait(BEN) == 0

    async def test_of_many_at_once_one_need_not_wait(self, codes: Codes) -> None:
        waits = await asyncio.gather(*(codes.wait(ANN) for _ in range(20)))
        assert waits.count(0) == 1

    async def test_is_over_when_somebody_ends_it(self, codes: Codes) -> None:
        await codes.end_wait(ANN)
        assert await codes.wait(ANN) == 0
        assert await codes.wait(BEN) == 0
        await codes.end_wait(ANN)
        assert await codes.wait(ANN) == 0
        assert await codes.wait(BEN) > 0


class TestLife:
    """Minutes pass for the fake; of the server's keys we read how long they have."""

    async def test_of_the_fake(self) -> None:

        time = ToldTime()
        codes = FakeCodes(time.clock)
        code = await codes.issue(ANN, REGISTER)
        assert await codes.wait(ANN) == 0
        await time.pass_(10)
        assert await codes.wait(ANN) == 0
        await time.pass_(290)
        assert not await redeem(codes, code)

    async def test_in_redis(self, redis: Redis) -> None:
        codes = RedisCodes(redis, keyed())
        await codes.issue(ANN, REGISTER)
        await codes.wait(ANN)
        (key,) = await redis.keys("code:register:*")
        (pause,) = await redis.keys("code_wait:*")
        assert 299 <= await redis.ttl(key) <= 300
        assert 9 <= await redis.ttl(pause) <= 10
        await codes.redeem(ANN, [REGISTER], "nonono")
        assert 299 <= await redis.ttl(key) <= 300  # a guess prolongs nothing

    async def test_nothing_in_redis_tells_code_or_address(self, redis: Redis) -> None:
        codes = RedisCodes(redis, keyed())
        code = await codes.issue(ANN, REGISTER)
        (key,) = await redis.keys("*")
        raw = repr((key, await redis.hgetall(key)))
        assert "ann" not in raw
        assert f"'{code}'" not in raw
        assert (await redis.hget(key, "hash")) == keyed().hash(REGISTER, ANN, code).encode()
        assert Keyed.derived("t" * 32, "codes").hash(ANN) not in str(key)


class TestOutage:
    async def test_is_told(self, kind: str, time: Time, no_redis: Redis) -> None:
        down: Codes = FakeCodes(time.clock, down=True) if kind == "memory" else RedisCodes(no_redis, keyed())
        redeemed = down.redeem(ANN, [REGISTER], "123456")
        for ask in (
            down.wait(ANN),
            down.issue(ANN, REGISTER),
            redeemed,
            down.forget(ANN),
            down.end_wait(ANN),
        ):
            with pytest.raises(StorageUnavailable):
                await ask


class TestForgetting:
    async def test_takes_every_code_and_the_pause_of_the_address(self, codes: Codes) -> None:
        assert await codes.wait(ANN) == 0
        issued = {purpose: await codes.issue(ANN, purpose) for purpose in Purpose}
        kept = await codes.issue(BEN, REGISTER)
        assert await codes.forget(ANN) == len(Purpose) + 1
        for purpose, code in issued.items():
            assert not await redeem(codes, code, purpose)
        assert await codes.wait(ANN) == 0
        assert await redeem(codes, kept, email=BEN)

    async def test_spares_what_is_younger(self, codes: Codes, time: Time) -> None:
        old = await codes.issue(ANN, RESET)
        await time.pass_(0.6)
        assert await codes.wait(ANN) == 0
        young = await codes.issue(ANN, REGISTER)
        assert await codes.forget(ANN, timedelta(seconds=0.4)) == 1
        assert not await redeem(codes, old, RESET)
        assert await redeem(codes, young)
        assert await codes.wait(ANN) > 0

    async def test_of_an_unknown_address_changes_nothing(self, codes: Codes) -> None:
        assert await codes.forget(ANN) == 0
