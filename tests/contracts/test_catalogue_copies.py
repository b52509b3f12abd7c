"""The last good list is every worker's, until the catalogue has changed."""

import pytest
from redis.asyncio import Redis

from adapters.redis.catalogue_copies import RedisCatalogueCopies
from application.ports.catalogue_copies import KEPT_S, CatalogueCopies
from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import StorageUnavailable
from tests.contracts.times import Time, ToldTime
from tests.fakes.catalogue_copies import FakeCatalogueCopies
from tests.fakes.clock import FakeClock

SERVER = "http://gpu:8606"
LOOKS = {
    AvatarName("z"): Look(support_clone=True, description="你好", created_at="2025"),
    AvatarName("a"): Look(),
}


@pytest.fixture
def copies(kind: str, redis: Redis, time: Time) -> CatalogueCopies:
    if isinstance(time, ToldTime):
        return FakeCatalogueCopies(time.clock)
    return RedisCatalogueCopies(redis, SERVER)


async def test_nothing_is_known_at_first(copies: CatalogueCopies) -> None:
    assert await copies.latest(await copies.edition()) is None


async def test_what_was_kept_is_there_in_its_order(copies: CatalogueCopies) -> None:
    edition = await copies.edition()
    await copies.keep(edition, LOOKS)
    copy = await copies.latest(edition)
    assert copy
    assert list(copy.avatars.items()) == list(LOOKS.items())
    assert 0 <= copy.age_s < 5


async def test_a_change_ends_it(copies: CatalogueCopies) -> None:
    edition = await copies.edition()
    await copies.keep(edition, LOOKS)
    await copies.end_edition()
    assert await copies.latest(await copies.edition()) is None


async def test_what_comes_late_is_not_kept(copies: CatalogueCopies) -> None:
    before = await copies.edition()
    await copies.end_edition()
    after = await copies.edition()
    await copies.keep(after, LOOKS)
    await copies.keep(before, {})
    assert await copies.latest(before) is None
    copy = await copies.latest(after)
    assert copy
    assert copy.avatars == LOOKS


async def test_every_list_counts_anew(copies: CatalogueCopies) -> None:
    edition = await copies.edition()
    await copies.keep(edition, LOOKS)
    await copies.keep(edition, {})
    copy = await copies.latest(edition)
    assert copy
    assert copy.avatars == {}


async def test_the_fake_ones_grow_old_too() -> None:
    clock = FakeClock()
    copies = FakeCatalogueCopies(clock)
    await copies.keep(0, LOOKS)
    clock.pass_(seconds=KEPT_S - 1)
    copy = await copies.latest(0)
    assert copy
    assert copy.age_s == KEPT_S - 1
    clock.pass_(seconds=1)
    assert await copies.latest(0) is None


class TestInRedis:
    async def test_its_age_is_told(self, redis: Redis) -> None:
        copies = RedisCatalogueCopies(redis, SERVER)
        await copies.keep(0, LOOKS)
        (key,) = await redis.keys("avatar:catalogue:*")
        assert 0 < await redis.ttl(key) <= KEPT_S
        await redis.expire(key, KEPT_S - 100)
        copy = await copies.latest(0)
        assert copy
        assert 99 <= copy.age_s < 105

    async def test_another_server_has_its_own(self, redis: Redis) -> None:
        await RedisCatalogueCopies(redis, SERVER).keep(0, LOOKS)
        assert await RedisCatalogueCopies(redis, "http://other:8606").latest(0) is None

    async def test_what_makes_no_sense_is_nothing(self, redis: Redis) -> None:
        copies = RedisCatalogueCopies(redis, SERVER)
        await copies.keep(0, LOOKS)
        (key,) = await redis.keys("avatar:catalogue:*")
        await redis.set(key, "?", ex=100)
        assert await copies.latest(0) is None

    async def test_an_outage_is_told(self, no_redis: Redis) -> None:
        copies = RedisCatalogueCopies(no_redis, SERVER)
        for ask in (copies.edition(), copies.latest(0), copies.keep(0, {}), copies.end_edition()):
            with pytest.raises(StorageUnavailable):
                await ask
