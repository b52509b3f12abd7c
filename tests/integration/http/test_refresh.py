"""How a login session outlives its tokens (contract 2.1, 14): one successor, handed over, one family."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from redis import Redis

from entrypoints.http.policy import Policy
from tests.integration.house import House, User, a_house, running, settings_for
from tests.integration.http.answers import refusal
from tests.integration.http.conftest import forged
from tests.integration.http.listening import listening
from tests.integration.http.routes import protected

DEAD = (401, "Token is invalid or expired.", "token_revoked")
FORGED = (422, "Signature verification failed", "malformed_token")
LIFE_S = 18_000


def past_half(user: User, seconds: int = 10) -> User:
    """The same login session, with a token that has got so far beyond half of its life."""
    issued = int(time.time()) - LIFE_S // 2 - seconds
    return replace(user, token=forged(user, iat=issued, nbf=issued, exp=issued + LIFE_S))


def claims_of(token: str) -> dict[str, Any]:
    fields: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return fields


def successor_in(answer: httpx.Response, of: User) -> User:
    return replace(of, token=answer.headers["x-new-token"])


async def test_a_token_in_the_first_half_of_its_life_gets_no_successor(house: House, redis: Redis) -> None:
    ann = past_half(await house.user(), -10)
    for path in ("/api/chat/history", "/api/token_status"):
        assert "x-new-token" not in (await ann.get(path)).headers
    assert redis.keys("token_next:*") == []


async def test_then_every_answer_carries_the_same_one(house: House, redis: Redis) -> None:
    ann = past_half(await house.user())
    answers = [
        await ann.get("/api/chat/history"),
        await ann.post("/api/chat/new"),
        await ann.get("/api/message/list", params={"session_id": 999}),  # 404
        await ann.post("/api/chat/stream", data={"message": "  "}),  # 400
        await ann.post("/api/chat/stream", data={"message": "Hello"}),  # a stream
        await ann.post("/api/chat/new", content=b"{"),  # 400
        await house.client.post(
            "/api/chat/new", headers={**ann.headers, "Content-Type": "text/plain"}, content=b"x"
        ),
        await ann.get("/api/health/detailed"),
        await ann.get("/api/token_status"),
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 404, 400, 200, 400, 415, 200, 200]
    assert len({answer.headers["x-new-token"] for answer in answers}) == 1
    assert "X-New-Token" in answers[0].headers["access-control-expose-headers"]

    old, new = claims_of(ann.token), claims_of(answers[0].headers["x-new-token"])
    same = ("sub", "email", "role", "type", "fresh", "auth_time")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["jti"] != old["jti"]
    assert new["exp"] - new["iat"] == LIFE_S
    assert 0 <= LIFE_S - redis.ttl(f"token:{new['jti']}") < 5
    assert set(redis.keys("token*")) == {
        f"{kind}:{jti}".encode()
        for kind, jti in [
            ("token", old["jti"]),
            ("token", new["jti"]),
            ("token_next", old["jti"]),
            ("token_prev", new["jti"]),
        ]
    }
    assert redis.get("user_token:1") == new["jti"].encode()


async def test_token_status_hands_the_successor_over(house: House) -> None:
    ann = past_half(await house.user())
    before = (await ann.get("/api/token_status")).json()
    assert set(before) == {"expires_in_seconds", "expires_in_minutes"}  # polling makes none
    assert before["expires_in_seconds"] < LIFE_S / 2

    successor = successor_in(await ann.get("/api/chat/history"), ann)
    status = (await ann.get("/api/token_status")).json()
    assert set(status) == {"expires_in_seconds", "expires_in_minutes", "token"}
    assert status["token"] == successor.token
    assert LIFE_S - 5 < status["expires_in_seconds"] <= LIFE_S
    assert status["expires_in_minutes"] == pytest.approx(status["expires_in_seconds"] / 60, abs=0.02)
    again = (await successor.get("/api/token_status")).json()
    assert set(again) == {"expires_in_seconds", "expires_in_minutes"}


async def test_no_other_answer_has_a_token_in_its_body(house: House) -> None:
    ann = past_half(await house.user())
    for path in ("/api/chat/history", "/api/user_files", "/api/health/detailed"):
        body = (await ann.get(path)).json()
        assert "token" not in body


async def test_the_older_token_has_a_minute_once_the_newer_was_used(house: House, redis: Redis) -> None:
    ann = past_half(await house.user())
    key = f"token:{claims_of(ann.token)['jti']}"
    successor = successor_in(await ann.get("/api/chat/history"), ann)
    await ann.get("/api/chat/history")
    assert redis.ttl(key) > 60
    assert (await successor.get("/api/token_status")).status_code == 200
    for _ in range(2):
        assert 55 < redis.ttl(key) <= 60
        answer = await ann.get("/api/chat/history")
        assert (answer.status_code, answer.headers["x-new-token"]) == (200, successor.token)
    redis.delete(key)  # the minute is over
    assert refusal(await ann.get("/api/chat/history")) == DEAD
    assert (await successor.get("/api/chat/history")).status_code == 200


@pytest.mark.parametrize("presented", ["older", "newer", "older, past its minute"])
async def test_logging_out_with_either_ends_both(house: House, redis: Redis, presented: str) -> None:
    older = past_half(await house.user())
    newer = successor_in(await older.get("/api/chat/history"), older)
    if presented.endswith("minute"):
        redis.delete(f"token:{claims_of(older.token)['jti']}")
    answer = await (newer if presented == "newer" else older).post("/api/logout")
    assert answer.status_code == 200
    for user in (older, newer):
        assert refusal(await user.get("/api/chat/history")) == DEAD
    assert redis.keys("token*") + redis.keys("user_token*") == []
    assert await house.sql("SELECT status FROM user") == [("inactive",)]
    assert await house.sql("SELECT count(*) FROM user_action_log WHERE action = 'logout'") == [(1,)]


async def test_another_login_ends_both(house: House, redis: Redis) -> None:
    older = past_half(await house.user())
    newer = successor_in(await older.get("/api/chat/history"), older)
    await house.login("ann@example.org")
    for user in (older, newer):
        assert refusal(await user.get("/api/chat/history")) == DEAD
    assert redis.keys("token_next:*") + redis.keys("token_prev:*") == []


async def test_leaving_makes_no_successor(house: House, redis: Redis) -> None:
    leaving = [r for r in protected(house) if r.policy in (Policy.LEAVING, Policy.SIGNED)]
    assert {"/api/logout", "/api/logout_all", "/api/update_password"} <= {r.path for r in leaving}
    await house.register("ann@example.org")
    for route in leaving:
        ann = past_half(await house.login("ann@example.org"))
        answer = await house.client.request(route.method, route.path, headers=ann.headers)
        assert "x-new-token" not in answer.headers, route
    assert redis.keys("token_next:*") == []


async def test_a_login_session_has_an_end_that_no_refresh_moves(
    tmp_path: Path, redis: Redis, valkey_url: str
) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, SESSION_MAX_SECONDS=str(LIFE_S)) as house:
        ann = past_half(await house.user())
        begun = claims_of(ann.token)["auth_time"]
        capped = successor_in(await ann.get("/api/chat/history"), ann)
        assert claims_of(capped.token)["exp"] == begun + LIFE_S
        issued = int(time.time()) - LIFE_S
        last = replace(capped, token=forged(capped, iat=issued))
        answer = await last.get("/api/chat/history")
        assert answer.status_code == 200
        assert "x-new-token" not in answer.headers


async def test_logging_out_everywhere(tmp_path: Path, redis: Redis, valkey_url: str) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, SINGLE_SESSION="false") as house:
        users = [await house.user(), await house.login("ann@example.org")]
        users.append(successor_in(await past_half(users[0]).get("/api/chat/history"), users[0]))
        bob = await house.user("bob@example.org")
        answer = await users[1].post("/api/logout_all")
        assert (answer.status_code, answer.json()) == (200, {"msg": "Logged out everywhere."})
        for user in users:
            assert refusal(await user.get("/api/chat/history")) == DEAD
        assert (await bob.get("/api/chat/history")).status_code == 200
        assert (await (await house.login("ann@example.org")).get("/api/chat/history")).status_code == 200
        lines = await house.sql(
            "SELECT action, details FROM user_action_log WHERE operator_email LIKE 'ann%'"
        )
        assert [(a, json.loads(d or "null")) for a, d in lines][-2] == ("logout", {"sessions": "all"})


async def test_a_stream_carries_the_successor_too(house: House) -> None:
    ann = past_half(await house.user())
    async with listening(ann, "x") as stream:
        await stream.chunks()
    assert (
        await replace(ann, token=stream.headers["x-new-token"]).get("/api/chat/history")
    ).status_code == 200


async def test_keys_rotate_without_logging_anybody_out(tmp_path: Path, redis: Redis, valkey_url: str) -> None:
    old_key, new_key = "o" * 40, "n" * 40
    async with a_house(tmp_path, REDIS_URL=valkey_url, JWT_SECRET_KEY=old_key) as house:
        ann = await house.user()
        aged = past_half(ann)

    rotated = {"REDIS_URL": valkey_url, "JWT_SECRET_KEY": new_key}
    async with running(settings_for(tmp_path, **rotated, JWT_SECRET_KEY_PREVIOUS=old_key)) as house:
        old = replace(ann, house=house)
        assert (await old.get("/api/chat/history")).status_code == 200
        successor = successor_in(await replace(aged, house=house).get("/api/chat/history"), old)
        newest = replace(successor, token=(await house.login("ann@example.org")).token)
        assert refusal(await old.get("/api/chat/history")) == DEAD
        assert (await newest.get("/api/chat/history")).status_code == 200

    async with running(settings_for(tmp_path, **rotated)) as house:
        assert refusal(await replace(old, house=house).get("/api/chat/history")) == FORGED
        assert (await replace(newest, house=house).get("/api/chat/history")).status_code == 200
