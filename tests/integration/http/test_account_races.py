"""What must happen once, asked for many times at once, over HTTP (AU-2, AU-9, OV-2, 2.1)."""

import asyncio
from collections import Counter

import httpx
from redis import Redis

from tests.integration.house import PASSWORD, House
from tests.integration.http.test_passwords import ANN, NEW, changed, code_for, reset, tried
from tests.integration.http.test_refresh import claims_of, past_half, successor_in


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def test_fifty_registrations_with_one_code_make_one_account(house: House) -> None:
    await house.client.post("/api/send_verification", json={"email": ANN})
    account = {"email": ANN, "password": PASSWORD, "code": await house.code_for(ANN)}
    answers = await asyncio.gather(*(house.client.post("/api/register", json=account) for _ in range(50)))
    found = statuses(answers)
    assert found[201] == 1
    assert set(found) <= {201, 401, 409, 429}
    assert found[401] <= 19  # twenty checks
    assert await house.sql("SELECT email FROM user") == [(ANN,)]
    assert await house.sql("SELECT count(*) FROM user_profile") == [(1,)]


async def test_twenty_requests_make_one_successor_and_log_nobody_out(house: House, redis: Redis) -> None:
    ann = past_half(await house.user())
    answers = await asyncio.gather(*(ann.get("/api/chat/history") for _ in range(20)))
    assert statuses(answers) == {200: 20}
    (token,) = {answer.headers["x-new-token"] for answer in answers}
    assert len(redis.keys("token:*")) == 2

    # both are in use at once, in two tabs, and the older is not cut off
    newer = successor_in(answers[0], ann)
    tabs = [user.get("/api/chat/history") for user in [ann, newer] * 10]
    assert statuses(await asyncio.gather(*tabs)) == {200: 20}
    assert redis.get("user_token:1") == claims_of(token)["jti"].encode()


async def test_of_two_hundred_guesses_five_are_judged(house: House, redis: Redis) -> None:
    await house.register(ANN)
    redis.delete(*redis.keys("rl:*"))
    code = await code_for(house, redis, "reset_password")
    guesses = [f"{(int(code) + n) % 1_000_000:06d}" for n in range(1, 201)]
    tries = [reset(house, email=ANN, code=guess, new_password=NEW) for guess in guesses]
    found = statuses(await asyncio.gather(*tries))
    assert found == {400: 20, 429: 180}  # five judged by the code, which was dead then
    assert redis.keys("code:*") == []

    redis.delete(*redis.keys("rl:*"))
    assert (await reset(house, email=ANN, code=code, new_password=NEW)).status_code == 400
    await house.login(ANN)


async def test_one_code_changes_one_password(house: House, redis: Redis) -> None:
    ann = await house.user()
    redis.delete(*redis.keys("rl:*"))
    code = await code_for(house, redis, "reset_password")
    tries = [
        changed(ann, way, code, f"{NEW} {n}")
        for n, way in enumerate(["reset_password", "update_password"] * 5)
    ]
    found = statuses(await asyncio.gather(*tries))
    assert found[200] == 1
    assert set(found) <= {200, 400, 401}
    lines = "SELECT count(*) FROM user_action_log WHERE action = 'update'"
    assert await house.sql(lines) == [(1,)]
    assert await house.sql("SELECT count(*) FROM notification") == [(1,)]


async def test_a_login_beside_a_reset_never_survives_it_with_the_old_password(
    house: House, redis: Redis
) -> None:
    await house.register(ANN)
    code = await code_for(house, redis, "reset_password")
    logins = [tried(house, PASSWORD) for _ in range(8)]
    resetting = reset(house, email=ANN, code=code, new_password=NEW)
    *answers, done = await asyncio.gather(*logins, resetting)
    assert done.status_code == 200
    for answer in answers:
        if answer.status_code == 200:
            headers = {"Authorization": f"Bearer {answer.json()['token']}"}
            assert (await house.client.get("/api/chat/history", headers=headers)).status_code == 401
    again = await house.login(ANN, NEW)
    assert (await again.get("/api/chat/history")).status_code == 200


async def test_parallel_requests_for_a_code_send_one(house: House) -> None:
    asked = {"email": ANN, "purpose": "register"}
    answers = await asyncio.gather(
        *(house.client.post("/api/send_verification", json=asked) for _ in range(10))
    )
    assert statuses(answers) == {200: 1, 429: 9}
    await house.code_for(ANN)
    assert len(await house.mails_to(ANN)) == 1
