"""What lies in Redis on behalf of accounts (contract 12): names, types, values, and for how long."""

import json
import re
from pathlib import Path

from redis import Redis

from tests.integration.house import House, User, a_house
from tests.integration.http.staff import staff
from tests.integration.http.test_passwords import ANN, code_for, tried
from tests.integration.http.test_refresh import claims_of, past_half, successor_in

IDLE_S = 18_000
HASH = "[0-9a-f]{64}"
KEYS = {  # name: type, longest life in seconds
    r"token:[0-9a-f-]{36}": ("string", IDLE_S),
    r"user_token:\d+": ("string", IDLE_S),
    r"user_tokens:\d+": ("set", IDLE_S),
    r"token_next:[0-9a-f-]{36}": ("string", IDLE_S),
    r"token_prev:[0-9a-f-]{36}": ("string", IDLE_S),
    rf"code:(register|reset_password|update_password|delete_account):{HASH}": ("hash", 300),
    rf"code_wait:{HASH}": ("string", 10),
    r"rl:(code|code-ip):[0-9a-f]{32}": ("string", 3600),
    r"rl:(login|login-ip|login-warned|code-check):[0-9a-f]{32}": ("string", 900),
    r"mail:queue": ("list", 300),
    r"dev:mailbox": ("list", 86_400),
    r"worker:.*": ("string", 2),
    r"avatar:keeper": ("string", 300),
}


def the_rule_of(key: str) -> tuple[str, int]:
    (rule,) = [rule for name, rule in KEYS.items() if re.fullmatch(name, key)]
    return rule


async def a_full_life(house: House, redis: Redis) -> User:
    """Everything that leaves a key: codes, failures, a login, its successor, mails."""
    ann = await house.user(ANN)
    for purpose in ("reset_password", "update_password", "delete_account"):
        await code_for(house, redis, purpose)
    for _ in range(11):
        await tried(house, "wrong password")
    older = past_half(ann)
    newer = successor_in(await older.get("/api/user/profile"), older)
    assert (await newer.get("/api/user/profile")).status_code == 200
    return older


async def test_every_key_is_a_documented_one_and_expires(house: House, redis: Redis) -> None:
    await a_full_life(house, redis)
    found: set[str] = set()
    for key in list(redis.scan_iter()):
        name = key.decode()
        type, life = the_rule_of(name)
        kind, left = redis.type(key), int(redis.ttl(key))
        if left == -2:  # it ended while we looked
            continue
        assert kind == type.encode(), name
        assert 0 <= left <= life, name
        found.add(name.partition(":")[0])
    assert found >= {"token", "user_token", "user_tokens", "token_next", "code", "rl", "dev"}


async def test_users_are_addressed_by_number_and_secrets_are_hashes(house: House, redis: Redis) -> None:
    older = await a_full_life(house, redis)
    for key in redis.keys("*"):
        assert b"ann" not in key
        assert b"@" not in key
    claims = claims_of(older.token)
    assert redis.get(f"token:{claims['jti']}") == ANN.encode()
    noted = json.loads(redis.get(f"token_next:{claims['jti']}") or b"")
    assert set(noted) == {"jti", "iat", "exp", "used_at"}
    assert redis.smembers("user_tokens:1") == {claims["jti"].encode(), noted["jti"].encode()}
    assert redis.get("user_token:1") == noted["jti"].encode()
    for key in redis.keys("code:*"):
        assert set(redis.hgetall(key)) == {b"hash", b"attempts"}


async def test_a_departed_token_is_pruned_by_the_next_login(
    tmp_path: Path, redis: Redis, valkey_url: str
) -> None:
    async with a_house(tmp_path, REDIS_URL=valkey_url, SINGLE_SESSION="false") as house:
        gone = claims_of((await house.user(ANN)).token)["jti"]
        kept = claims_of((await house.login(ANN)).token)["jti"]
        redis.delete(f"token:{gone}")  # it came to its end by itself
        newest = claims_of((await house.login(ANN)).token)["jti"]
        assert redis.smembers("user_tokens:1") == {kept.encode(), newest.encode()}


async def test_the_queue_holds_codes_that_nobody_can_read(house: House, redis: Redis) -> None:
    """Other mails are jobs; code mails never are."""
    await house.user(ANN)
    await code_for(house, redis, "reset_password")
    assert await house.sql("SELECT kind FROM job WHERE kind = 'send_mail'") == []
    root = await staff(house)
    assert (await root.get("/api/admin/users")).status_code == 200
    await house.client.post("/api/user/tutor_request", headers=(await house.login(ANN)).headers)
    assert await house.sql("SELECT count(*) FROM job WHERE kind = 'send_mail'") == [(2,)]
