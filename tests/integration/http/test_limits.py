"""Every limit of contract 2.2: shared by all workers, told with Retry-After, and never spent for nothing."""

import asyncio
import time
from pathlib import Path

import httpx
from dishka import Provider, Scope
from redis import Redis

from application.ports.mail import Outbox
from domain.errors import StorageUnavailable
from tests.fakes.mail import FakeOutbox
from tests.integration.house import PASSWORD, House, a_house, running
from tests.integration.http.answers import refusal
from tests.integration.http.test_passwords import ANN, NOBODY, tried

TOO_MANY = (429, "Too many login attempts. Please try again later.", "rate_limited")
TOO_OFTEN = (429, "Too many requests. Please try again later.", "rate_limited")
PAUSE = (429, "Please wait 10 seconds before requesting again", "rate_limited")
AWAY = (503, "Service temporarily unavailable", "storage_unavailable")


async def send(house: House, email: str = ANN, purpose: str = "reset_password") -> httpx.Response:
    return await house.client.post("/api/send_verification", json={"email": email, "purpose": purpose})


def end_pause(redis: Redis) -> None:
    for key in redis.scan_iter("code_wait:*"):
        redis.delete(key)


async def test_ten_codes_an_hour_for_an_address_known_or_not(house: House, redis: Redis) -> None:
    await house.register(ANN)
    redis.flushdb()
    for email in (ANN, NOBODY):
        for _ in range(10):
            assert (await send(house, email)).status_code == 200
            end_pause(redis)
        answer = await send(house, f" {email.upper()}")
        assert refusal(answer) == TOO_OFTEN
        assert 300 < int(answer.headers["retry-after"]) <= 360
    assert (await send(house, "other@example.org")).status_code == 200


async def test_a_hundred_failed_logins_from_one_place(house: House) -> None:
    began, refused = time.monotonic(), 0
    while (answer := await tried(house, "wrong password", f"u{refused}@example.org")).status_code == 401:
        refused += 1
    assert refusal(answer) == TOO_MANY
    assert 100 <= refused <= 101 + (time.monotonic() - began) / 9  # every nine seconds one more may try
    assert 0 < int(answer.headers["retry-after"]) <= 9


async def test_a_limited_owner_stays_logged_in(house: House) -> None:
    ann = await house.user()
    for _ in range(12):
        await tried(house, "wrong password")
    assert refusal(await tried(house, PASSWORD)) == TOO_MANY
    assert (await ann.get("/api/chat/history")).status_code == 200


async def test_workers_count_together(house: House) -> None:
    async with running(house.settings) as other:
        workers = [house, other] * 6
        answers = [await tried(worker, "wrong password", NOBODY) for worker in workers]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        sent = await asyncio.gather(*(send(worker) for worker in workers))
        assert sorted(answer.status_code for answer in sent) == [200] + [429] * 11
        assert refusal(await send(other)) == PAUSE


async def test_counts_outlive_a_restart(house: House) -> None:
    for _ in range(10):
        await tried(house, "wrong password", NOBODY)
    async with running(house.settings) as again:
        assert refusal(await tried(again, "wrong password", NOBODY)) == TOO_MANY


async def test_a_code_that_cannot_be_mailed_costs_nothing(
    tmp_path: Path, redis: Redis, valkey_url: str
) -> None:
    outbox = FakeOutbox()
    full = Provider(scope=Scope.APP)
    full.provide(lambda: outbox, provides=Outbox, override=True)
    async with a_house(tmp_path, full, REDIS_URL=valkey_url) as house:
        outbox.refuse_with = StorageUnavailable()
        for _ in range(70):
            assert refusal(await send(house)) == AWAY
        assert redis.keys("code_wait:*") == []
        outbox.refuse_with = None
        assert (await send(house)).status_code == 200
        assert refusal(await send(house)) == PAUSE
