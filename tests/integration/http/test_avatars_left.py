"""Whoever goes leaves his avatar to others (contract 2.3, 7.2; AC-5)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import House, User
from tests.integration.http.answers import refusal
from tests.integration.http.avatars import START_S, Gallery, a_gallery, mapping
from tests.integration.http.staff import call, staff
from tests.integration.leaving import leave
from tests.servers.http import Fault
from tests.servers.llm_service import LlmServiceServer

ANN = "ann@example.org"


@pytest.fixture
async def gallery(
    tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[Gallery]:
    async with a_gallery(tmp_path, valkey.url, llm) as made:
        yield made


@pytest.fixture
async def house(gallery: Gallery) -> House:
    return gallery.house


@pytest.fixture
async def ann(house: House) -> User:
    return await house.user(ANN)


class TestLeaving:
    async def test_the_last_session_gives_it_back(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        await gallery.start(ann)
        redis.set("sessionid:1", "5")
        await ann.post("/api/logout")
        assert mapping(redis) is None
        assert not redis.exists("avatar:lease:1", "sessionid:1", "rtc:1")
        await gallery.until_counted()

    async def test_a_ban_gives_it_back(self, gallery: Gallery, house: House, ann: User) -> None:
        root = await staff(house)
        await gallery.start(ann)
        banned = await call(root, "PUT", "/users/1", json={"status": "banned"})
        assert banned.status_code == 200, banned.text
        await gallery.until_counted()

    async def test_deleting_the_account_gives_it_back(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        await gallery.start(ann)
        await leave(ann, ANN)
        assert mapping(redis) is None
        await gallery.until_counted()

    async def test_logging_out_everywhere_gives_it_back(self, gallery: Gallery, ann: User) -> None:
        await gallery.start(ann)
        answer = await ann.post("/api/logout_all")
        assert answer.status_code == 200, answer.text
        await gallery.until_counted()

    async def test_another_login_takes_it_over(
        self, gallery: Gallery, house: House, ann: User, redis: Redis
    ) -> None:
        await gallery.start(ann)
        newer = await house.login(ANN)
        assert (await ann.post("/api/avatar/disconnect")).status_code == 401
        again = await gallery.start(newer)
        assert again.json()["is_new_instance"] is False
        assert gallery.manager.counts == {"mira": 1}

    async def test_an_idle_lease_is_given_back(self, gallery: Gallery, ann: User, redis: Redis) -> None:
        await gallery.start(ann)
        redis.pexpire("avatar:lease:1", 50)
        await gallery.until_counted()
        assert mapping(redis) is None

    async def test_a_start_that_comes_too_late_is_given_back(
        self, gallery: Gallery, ann: User, redis: Redis
    ) -> None:
        gallery.manager.start_s = START_S + 0.2
        assert refusal(await gallery.start(ann)) == (504, "Avatar Manager timeout", "upstream_timeout")
        await ann.post("/api/logout")
        await gallery.manager.until(lambda: gallery.manager.counts == {"mira": 1}, within=2)
        await gallery.until_counted()
        assert mapping(redis) is None

    async def test_nobody_waits_for_a_manager_that_hangs(self, gallery: Gallery, ann: User) -> None:
        await gallery.start(ann)
        gallery.manager.faults["*"] = Fault(hang=True)
        began = asyncio.get_running_loop().time()
        assert (await ann.post("/api/logout")).status_code == 200
        assert asyncio.get_running_loop().time() - began < 0.25
        gallery.manager.faults.clear()
