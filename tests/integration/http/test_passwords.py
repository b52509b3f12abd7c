"""Changing and resetting a password (contract 2.2, 2.3): shapes, errors in their order, effects, limits."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.integration.house import PASSWORD, House, User
from tests.integration.http.answers import refusal
from tests.integration.http.test_accounts import mails_about

NEW = "another good horse"
ANN, NOBODY = "ann@example.org", "nobody@example.org"
MISSING = (400, "Missing required fields", "missing_field")
LENGTH = (400, "Password must be between 8 and 128 characters", "weak_password")
COMMON = (400, "This password is too common", "weak_password")
WRONG_CODE = (400, "Invalid or expired verification code", "invalid_code")
TOO_OFTEN = (429, "Too many requests. Please try again later.", "rate_limited")
INVALID = (401, "Invalid credentials", "invalid_credentials")
DEAD = (401, "Token is invalid or expired.", "token_revoked")
BANNED = (401, "This account has been suspended.", "account_banned")
ABOUT = {
    "update_password": "change",
    "reset_password": "reset",
    "register": "finish",
    "delete_account": "delete",
}


async def code_for(house: House, redis: Redis, purpose: str, email: str = ANN) -> str:
    """The code of a mail that was not there before."""
    redis.delete(*redis.keys("code_wait:*"), "-")
    before = len(await house.mails_to(email))
    answer = await house.client.post("/api/send_verification", json={"email": email, "purpose": purpose})
    assert answer.status_code == 200, answer.text
    for _ in range(100):
        mails = await house.mails_to(email)
        if len(mails) > before and ABOUT[purpose] in mails[0]["text"]:
            break
        await asyncio.sleep(0.02)
    return await house.code_for(email, ABOUT[purpose])


async def update(user: User, **fields: Any) -> httpx.Response:
    return await user.post("/api/update_password", json=fields)


async def reset(house: House, **fields: Any) -> httpx.Response:
    return await house.client.post("/api/reset_password", json=fields)


async def tried(house: House, password: str, email: str = ANN) -> httpx.Response:
    return await house.client.post("/api/login", json={"email": email, "password": password})


async def changed(user: User, way: str, code: object, password: object = NEW, **more: Any) -> httpx.Response:
    """By either route."""
    fields = {"code": code, "new_password": password, **more}
    return await (
        update(user, **fields) if way == "update_password" else reset(user.house, email=ANN, **fields)
    )


each_way = pytest.mark.parametrize("way", ["update_password", "reset_password"])


@each_way
async def test_a_new_password_counts_and_everybody_is_logged_out(
    house: House, redis: Redis, way: str
) -> None:
    ann = await house.user()
    answer = await changed(ann, way, await code_for(house, redis, way))

    said = {
        "update_password": "Password updated successfully",
        "reset_password": "Password reset successfully",
    }
    assert (answer.status_code, answer.json()) == (200, {"msg": said[way]})
    assert refusal(await ann.get("/api/chat/history")) == DEAD
    assert redis.keys("token*") + redis.keys("user_token*") == []
    assert (
        refusal(await house.client.post("/api/login", json={"email": ANN, "password": PASSWORD})) == INVALID
    )
    again = await house.login(ANN, NEW)
    assert (await again.get("/api/chat/history")).status_code == 200


@each_way
async def test_the_change_is_recorded_and_told(house: House, redis: Redis, way: str) -> None:
    ann = await house.user()
    await changed(ann, way, await code_for(house, redis, way))

    ((operator, target, details),) = await house.sql(
        "SELECT operator_email, target_user_id, details FROM user_action_log WHERE action = 'update'"
    )
    assert (operator, target, json.loads(details)) == (ANN, 1, {"password": "<changed>"})
    assert await house.sql("SELECT user_id, title, type FROM notification") == [
        (1, "Password changed", "warning")
    ]
    jobs = await house.sql("SELECT payload FROM job WHERE kind = 'send_mail'")
    assert len(jobs) == 1
    assert NEW not in str(jobs)
    assert await house.sql("SELECT status FROM user") == [("inactive",)]


@each_way
@pytest.mark.parametrize("missing", ["code", "new_password"])
@pytest.mark.parametrize("value", ["", None])
async def test_every_field_is_needed(home: House, ann: User, way: str, missing: str, value: object) -> None:
    fields = {"code": "123456", "new_password": "short", missing: value}
    assert refusal(await changed(ann, way, fields["code"], fields["new_password"])) == MISSING
    assert refusal(await reset(home, **{"email": "", "code": "123456", "new_password": NEW})) == MISSING


@each_way
async def test_refusals_come_in_order_and_cost_no_code(house: House, redis: Redis, way: str) -> None:
    ann = await house.user()
    code = await code_for(house, redis, way)
    for password, expected in [
        ("seven77", LENGTH),
        ("x" * 129, LENGTH),
        ("password", COMMON),
        ("PASSWORD1", COMMON),
        ("ann@example.org", COMMON),
    ]:
        assert refusal(await changed(ann, way, "000000", password)) == expected
        assert refusal(await changed(ann, way, code, password)) == expected
    assert refusal(await changed(ann, way, "000000")) == WRONG_CODE
    assert (await changed(ann, way, code)).status_code == 200
    again = await house.login(ANN, NEW)
    assert refusal(await changed(again, way, code, PASSWORD)) == WRONG_CODE


@each_way
@pytest.mark.parametrize(
    "code", [True, 1.5, ["123456"], {"code": "1"}, -1, "abcdef", "１２３４５６", 0, 999_999]
)
async def test_what_is_no_code(home: House, ann: User, home_redis: Redis, way: str, code: object) -> None:
    home_redis.delete(*home_redis.keys("rl:*"), "-")
    is_one = isinstance(code, str) or code in (0, 999_999)  # a wrong one, then
    expected = WRONG_CODE if is_one else (400, "Invalid value for 'code'", "invalid_field")
    assert refusal(await changed(ann, way, code)) == expected
    assert (await ann.get("/api/chat/history")).status_code == 200


@each_way
@pytest.mark.parametrize("password", [12345678, True, ["long enough"], "a" * 8 + "\x00"])
async def test_a_password_is_storable_text(home: House, ann: User, way: str, password: object) -> None:
    answer = await changed(ann, way, "123456", password)
    assert refusal(answer) == (400, "Invalid value for 'new_password'", "invalid_field")


async def test_which_code_opens_which_door(house: House, redis: Redis) -> None:
    ann = await house.user()
    await house.register("bob@example.org")
    opens = {"update_password": {"update_password", "reset_password"}, "reset_password": {"reset_password"}}
    password = PASSWORD
    for way, doors in opens.items():
        for purpose in ("delete_account", "update_password", "reset_password"):
            redis.delete(*redis.keys("rl:*"), "-")
            code = await code_for(house, redis, purpose)
            new = f"{way} {purpose}"
            answer = await changed(ann, way, code, new)
            if purpose in doors:
                assert answer.status_code == 200, (way, purpose)
                password = new
                ann = await house.login(ANN, password)
            else:
                assert refusal(answer) == WRONG_CODE, (way, purpose)
    for purpose in ("update_password", "reset_password"):
        foreign = await code_for(house, redis, purpose, "bob@example.org")
        assert refusal(await changed(ann, "update_password", foreign)) == WRONG_CODE


async def test_other_fields_redirect_nothing(house: House, redis: Redis) -> None:
    await house.register("bob@example.org")
    ann = await house.user()
    code = await code_for(house, redis, "update_password", "bob@example.org")
    bobs = {"email": "bob@example.org", "user_id": 1, "id": 1, "sub": "1"}
    assert refusal(await changed(ann, "update_password", code, **bobs)) == WRONG_CODE
    await house.login("bob@example.org")


async def test_a_code_is_for_the_address_the_account_has_now(house: House, redis: Redis) -> None:
    ann = await house.user()
    code = await code_for(house, redis, "update_password")
    await house.sql("UPDATE user SET email = 'new@example.org'")
    assert refusal(await changed(ann, "update_password", code)) == WRONG_CODE
    assert refusal(await changed(ann, "reset_password", code)) == WRONG_CODE
    code = await code_for(house, redis, "update_password", "new@example.org")
    assert (await changed(ann, "update_password", code)).status_code == 200


@each_way
async def test_twenty_checks_a_quarter_of_an_hour(house: House, way: str) -> None:
    ann = await house.user()
    # the registration took one check of this address
    answers = [await changed(ann, way, "000000") for _ in range(20)]
    assert [refusal(answer) for answer in answers] == [WRONG_CODE] * 19 + [TOO_OFTEN]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900


async def test_the_checks_of_all_routes_are_counted_together(house: House) -> None:
    ann = await house.user()
    ways = ["update_password", "reset_password"] * 10
    answers = [await changed(ann, way, "000000") for way in ways]
    assert [answer.status_code for answer in answers] == [400] * 19 + [429]


@pytest.mark.parametrize("email", [NOBODY, "not an address", " ANN@Example.org ", "%", "a\nb@example.org"])
async def test_a_reset_tells_nobody_who_is_registered(home: House, ann: User, email: str) -> None:
    answer = await reset(home, email=email, code="000000", new_password=NEW)
    assert refusal(answer) == WRONG_CODE
    assert set(answer.json()) == {"msg", "code", "request_id"}


async def test_a_reset_lifts_no_ban_and_no_other_limit_than_the_accounts(house: House, redis: Redis) -> None:
    await house.user()
    for _ in range(10):
        await tried(house, "wrong")
    assert (
        await house.client.post("/api/login", json={"email": ANN, "password": PASSWORD})
    ).status_code == 429
    code = await code_for(house, redis, "reset_password")
    assert (await reset(house, email=" ANN@example.org", code=code, new_password=NEW)).status_code == 200
    await house.login(ANN, NEW)

    await house.sql("UPDATE user SET status = 'banned'")
    code = await code_for(house, redis, "reset_password")
    assert (await reset(house, email=ANN, code=code, new_password=PASSWORD)).status_code == 200
    assert refusal(await tried(house, PASSWORD)) == (
        401,
        "This account has been suspended.",
        "account_banned",
    )


async def test_after_a_change_the_old_token_logs_nobody_out_again(house: House, redis: Redis) -> None:
    """The reference web client drops its token and posts `Bearer null` then."""
    ann = await house.user()
    await changed(ann, "update_password", await code_for(house, redis, "update_password"))
    again = await house.login(ANN, NEW)
    answer = await house.client.post("/api/logout", headers={"Authorization": "Bearer null"})
    assert answer.status_code == 422
    assert (await ann.post("/api/logout")).status_code == 200
    assert (await again.get("/api/chat/history")).status_code == 200


async def test_the_owner_is_told_of_repeated_failures_once(house: House) -> None:
    await house.register(ANN)
    for email in (ANN, NOBODY):
        for _ in range(14):
            await tried(house, "wrong", email)
    await house.client.post("/api/send_verification", json={"email": "last@example.org"})
    await house.code_for("last@example.org")  # the queue is worked off in order
    told = [mail["subject"] for mail in await house.mails_to(ANN)]
    assert told.count("Failed logins to your Virtual Tutor account") == 1
    assert await house.mails_to(NOBODY) == []


@each_way
async def test_the_owner_is_told_of_the_change_by_mail(house: House, redis: Redis, way: str) -> None:
    """AU-14."""
    ann = await house.user()
    await changed(ann, way, await code_for(house, redis, way))
    (mail,) = await mails_about(house, ANN, "Your Virtual Tutor password was changed")
    assert NEW not in mail["text"]


@each_way
async def test_a_code_may_be_a_number(house: House, redis: Redis, way: str) -> None:
    ann = await house.user()
    code = int(await code_for(house, redis, way))
    assert (await changed(ann, way, code)).status_code == 200
    await house.login(ANN, NEW)
