"""Accounts while Redis or the database is slow, locked, restarted, flushed or gone in the middle of a change:
the answers of the contract, nothing half done, and recovery without a restart (requirements DU-3, DU-8,
DU-9). Every fault is caused for real."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from redis import Redis

from entrypoints.admin import create_admin
from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.test_outages import behind_a_proxy, locked
from tests.servers.llm_service import LlmServiceServer
from tests.servers.proxy import TcpProxy

AWAY = (503, "Service temporarily unavailable", "storage_unavailable")
DEAD = (401, "Token is invalid or expired.", "token_revoked")
NEW_PASSWORD = "another good horse"
ANN, ROOT = "ann@example.org", "root@example.org"


@pytest.fixture
async def own_house(tmp_path: Path, own_valkey: Valkey, llm: LlmServiceServer) -> AsyncIterator[House]:
    """Its Valkey may be stopped."""
    async with a_house(tmp_path, REDIS_URL=own_valkey.url, LLM_URL=llm.url) as house:
        await create_admin(house.settings, ROOT, PASSWORD, "admin")
        yield house


@pytest.fixture
async def slow_house(
    tmp_path: Path, own_valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[tuple[House, TcpProxy]]:
    """Between it and its Valkey lies a network that can be made bad."""
    async with TcpProxy(own_valkey.socket, tmp_path / "slow.sock") as proxy:
        url = f"unix://{proxy.listen}"
        async with a_house(tmp_path, REDIS_URL=url, LLM_URL=llm.url) as house:
            yield house, proxy


def forget_the_pause(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        for key in redis.scan_iter("code_wait:*"):
            redis.delete(key)


async def code_for(house: House, purpose: str, about: str, email: str = ANN) -> str:
    await asyncio.to_thread(forget_the_pause, house.settings.redis_url)
    sent = await house.client.post("/api/send_verification", json={"email": email, "purpose": purpose})
    assert sent.status_code == 200, sent.text
    return await house.code_for(email, about)


async def until(condition: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.05)


async def answers_again(house: House) -> None:
    async def well() -> bool:
        return (await house.client.get("/api/health")).status_code == 200

    await until(well)


async def logs_in(house: House, password: str) -> bool:
    answer = await house.client.post("/api/login", json={"email": ANN, "password": password})
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


class TestRedisGoesInTheMiddle:
    """The database was waited for, and when it came Redis was gone: the change counts, with all it means."""

    async def test_of_a_password_change(self, own_house: House, own_valkey: Valkey) -> None:
        ann = await own_house.user(ANN)
        code = await code_for(own_house, "update_password", "change your password")
        changing = await self.caught_in(
            own_house,
            own_valkey,
            ann.post("/api/update_password", json={"code": code, "new_password": NEW_PASSWORD}),
            gone="code:update_password:*",
        )
        assert changing.status_code == 200, changing.text
        assert refusal(await ann.get("/api/user/profile")) == DEAD
        assert await logs_in(own_house, NEW_PASSWORD)
        assert not await logs_in(own_house, PASSWORD)

    async def test_of_a_ban(self, own_house: House, own_valkey: Valkey) -> None:
        ann, root = await own_house.user(ANN), await own_house.login(ROOT)
        banning = await self.caught_in(own_house, own_valkey, self.edit(root, 2, {"status": "banned"}))
        assert banning.status_code == 200, banning.text
        assert (await ann.get("/api/user/profile")).status_code == 401
        pardoned = await self.edit(await own_house.login(ROOT), 2, {"status": "active"})
        assert pardoned.status_code == 200, pardoned.text
        assert refusal(await ann.get("/api/user/profile")) == DEAD  # a pardon brings no token back

    async def test_of_a_role_change(self, own_house: House, own_valkey: Valkey) -> None:
        ann, root = await own_house.user(ANN), await own_house.login(ROOT)
        raising = await self.caught_in(own_house, own_valkey, self.edit(root, 2, {"role": "tutor"}))
        assert raising.status_code == 200, raising.text
        assert refusal(await ann.get("/api/user/profile")) == DEAD
        again = await own_house.login(ANN)
        assert (await again.get("/api/user/profile")).json()["role"] == "tutor"

    async def test_of_a_deletion(self, own_house: House, own_valkey: Valkey) -> None:
        ann, root = await own_house.user(ANN), await own_house.login(ROOT)
        leaving = await self.caught_in(
            own_house,
            own_valkey,
            own_house.client.request("DELETE", "/api/admin/users/2", headers=root.headers),
        )
        assert leaving.status_code == 200, leaving.text
        assert refusal(await ann.get("/api/user/profile")) == DEAD
        assert not await logs_in(own_house, PASSWORD)

        async def erased() -> bool:
            return await own_house.sql("SELECT 1 FROM user_action_log WHERE action = 'erase'") != []

        await until(erased, within=30)
        assert await own_house.sql("SELECT 1 FROM user WHERE id = 2") == []

    async def caught_in(
        self, house: House, valkey: Valkey, request: Awaitable[httpx.Response], gone: str | None = None
    ) -> httpx.Response:
        """The answer to a request that waited for the database while Redis died; Redis is back by then."""
        with Redis.from_url(valkey.url) as redis:
            with locked(house):
                asking = asyncio.ensure_future(request)
                if gone is not None:  # the code is redeemed: nothing but the database is missing
                    await until(lambda: self.no_key(redis, gone))
                await asyncio.sleep(0.5)
                valkey.stop()
            answer = await asking
        valkey.start()
        await answers_again(house)
        return answer

    @staticmethod
    async def no_key(redis: Redis, pattern: str) -> bool:
        return not list(redis.scan_iter(pattern))

    @staticmethod
    async def edit(admin: User, user: int, fields: dict[str, str]) -> httpx.Response:
        return await admin.house.client.put(f"/api/admin/users/{user}", headers=admin.headers, json=fields)


class TestDatabaseIsLocked:
    async def test_no_password_is_changed_and_the_login_lives(self, house: House) -> None:
        ann = await house.user(ANN)
        code = await code_for(house, "update_password", "change your password")
        fields = {"code": code, "new_password": NEW_PASSWORD}
        with locked(house):
            assert refusal(await ann.post("/api/update_password", json=fields)) == AWAY
        assert (await ann.get("/api/user/profile")).status_code == 200
        assert not await logs_in(house, NEW_PASSWORD)
        assert await logs_in(house, PASSWORD)

    async def test_the_code_still_counts_afterwards(self, house: House) -> None:
        """Whoever was told to try again can."""
        ann = await house.user(ANN)
        code = await code_for(house, "update_password", "change your password")
        fields = {"code": code, "new_password": NEW_PASSWORD}
        with locked(house):
            assert refusal(await ann.post("/api/update_password", json=fields)) == AWAY
        changed = await ann.post("/api/update_password", json=fields)
        assert changed.status_code == 200, changed.text

    async def test_no_account_is_half_registered(self, house: House) -> None:
        sent = await house.client.post("/api/send_verification", json={"email": ANN})
        assert sent.status_code == 200
        fields = {"email": ANN, "password": PASSWORD, "code": await house.code_for(ANN)}
        with locked(house):
            assert refusal(await house.client.post("/api/register", json=fields)) == AWAY
        for table in ("user", "user_profile", "user_action_log"):
            assert await house.sql(f'SELECT * FROM "{table}"') == []
        assert (await house.client.post("/api/register", json=fields)).status_code == 201
        assert await logs_in(house, PASSWORD)


class TestRedisIsSlow:
    """Two seconds there and back are more than we wait: closed, quickly, and open again by itself."""

    async def test_everything_is_done_or_refused_and_works_again(
        self, slow_house: tuple[House, TcpProxy]
    ) -> None:
        house, proxy = slow_house
        ann = await house.user(ANN)
        code = await code_for(house, "update_password", "change your password")
        proxy.delay = 1.1
        began = time.monotonic()
        answers = await asyncio.gather(
            ann.get("/api/user/profile"),
            ann.post("/api/user/profile", json={"bio": "slow"}),
            ann.post("/api/update_password", json={"code": code, "new_password": NEW_PASSWORD}),
            ann.get("/api/user/notifications"),
            house.client.post("/api/login", json={"email": ANN, "password": PASSWORD}),
            house.client.post("/api/send_verification", json={"email": "x@example.org"}),
        )
        assert {refusal(answer) for answer in answers} == {AWAY}
        assert time.monotonic() - began < 8
        assert (await ann.get("/api/token_status")).status_code == 200
        proxy.delay = 0.0
        proxy.cut()
        await answers_again(house)
        profile = await ann.get("/api/user/profile")
        assert (profile.status_code, profile.json()["bio"]) == (200, "")
        assert await logs_in(house, PASSWORD)


class TestDatabaseIsSlow:
    async def test_everything_is_done_or_refused_and_works_again(
        self, tmp_path: Path, postgresql_database: str, redis: Redis, valkey_url: str, llm: LlmServiceServer
    ) -> None:
        url, proxy = behind_a_proxy(postgresql_database, tmp_path)
        async with proxy, a_house(tmp_path, DATABASE_URL=url, REDIS_URL=valkey_url, LLM_URL=llm.url) as house:
            ann = await house.user(ANN)
            code = await code_for(house, "update_password", "change your password")
            proxy.delay = 3.0
            began = time.monotonic()
            answers = await asyncio.gather(
                ann.get("/api/user/profile"),
                ann.post("/api/user/profile", json={"bio": "slow"}),
                ann.post("/api/update_password", json={"code": code, "new_password": NEW_PASSWORD}),
                house.client.post("/api/login", json={"email": ANN, "password": PASSWORD}),
            )
            assert {refusal(answer) for answer in answers} == {AWAY}
            assert time.monotonic() - began < 20
            assert (await ann.get("/api/token_status")).status_code == 200
            proxy.delay = 0.0
            proxy.cut()
            await answers_again(house)
            assert (await ann.get("/api/user/profile")).json()["bio"] == ""
            assert not await logs_in(house, NEW_PASSWORD)
            assert await logs_in(house, PASSWORD)


class TestRedisForgets:
    async def test_a_restart_ends_no_login(self, own_house: House, own_valkey: Valkey) -> None:
        ann = await own_house.user(ANN)
        own_valkey.stop()
        own_valkey.start()
        await answers_again(own_house)
        assert (await ann.get("/api/user/profile")).status_code == 200

    async def test_a_flush_ends_every_login_and_nothing_else(
        self, own_house: House, own_valkey: Valkey
    ) -> None:
        ann = await own_house.user(ANN)
        session = await ann.new_session()
        code = await code_for(own_house, "reset_password", "reset your password")
        with Redis.from_url(own_valkey.url) as redis:
            redis.flushall()
        assert refusal(await ann.get("/api/user/profile")) == DEAD
        fields = {"email": ANN, "code": code, "new_password": NEW_PASSWORD}
        lost = await own_house.client.post("/api/reset_password", json=fields)
        assert refusal(lost)[:2] == (400, "Invalid or expired verification code")
        again = await own_house.login(ANN)
        assert await again.messages(session) == []
        fields["code"] = await code_for(own_house, "reset_password", "reset your password")
        assert (await own_house.client.post("/api/reset_password", json=fields)).status_code == 200
