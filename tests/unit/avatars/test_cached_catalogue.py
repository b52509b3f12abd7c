"""The catalogue while the live server is well, busy, or gone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typing_extensions import override

from application.avatars.cached_catalogue import FRESH_S, CachedCatalogue
from application.ports.avatar_catalogue import (
    CatalogueTimeout,
    CatalogueUnreachable,
    Clip,
    CreationRejected,
    DeletionRejected,
    NewAvatar,
    PreviewMissing,
)
from application.ports.catalogue_copies import KEPT_S
from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import StorageUnavailable
from tests.fakes.avatar_catalogue import FakeAvatarCatalogue
from tests.fakes.catalogue_copies import FakeCatalogueCopies
from tests.fakes.clock import FakeClock

MIRA, OTTO = AvatarName("mira"), AvatarName("otto")
NEW = NewAvatar(name=OTTO, face=Clip(Path("face.mp4"), 1, "mp4"))


class Busy(FakeAvatarCatalogue):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__({MIRA: Look()})
        self.free = asyncio.Event()
        self.free.set()

    @override
    async def avatars(self) -> dict[AvatarName, Look]:
        looks = dict(self.looks)
        await self.free.wait()
        await super().avatars()
        return looks


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    source: Busy = field(default_factory=Busy)
    workers: list[CachedCatalogue] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.copies = FakeCatalogueCopies(self.clock)

    def worker(self) -> CachedCatalogue:
        made = CachedCatalogue(
            self.source, self.copies, lambda: self.clock.now().timestamp(), patience_s=0.02
        )
        self.workers.append(made)
        return made


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for worker in made.workers:
        await worker.close()


async def test_a_list_serves_everybody_for_ten_seconds(world: World) -> None:
    one, other = world.worker(), world.worker()
    assert await one.avatars() == await other.avatars() == {MIRA: Look()}
    world.clock.pass_(seconds=FRESH_S - 1)
    await one.avatars()
    assert world.source.asked == 1
    world.clock.pass_(seconds=1)
    await one.avatars()
    assert world.source.asked == 2


async def test_many_who_ask_at_once_cost_one_question(world: World) -> None:
    worker = world.worker()
    world.source.free.clear()
    asking = [asyncio.create_task(worker.avatars()) for _ in range(20)]
    await asyncio.sleep(0.01)
    world.source.free.set()
    assert await asyncio.gather(*asking) == [{MIRA: Look()}] * 20
    assert world.source.asked == 1


async def test_the_last_good_list_stands_in_for_a_busy_server_at_every_worker(world: World) -> None:
    await world.worker().avatars()
    world.clock.pass_(seconds=KEPT_S - 1)
    world.source.free.clear()
    began = asyncio.get_running_loop().time()
    assert await world.worker().avatars() == {MIRA: Look()}
    assert asyncio.get_running_loop().time() - began < 0.5


async def test_a_busy_server_is_not_asked_twice_at_once(world: World) -> None:
    worker = world.worker()
    await worker.avatars()
    world.clock.pass_(seconds=FRESH_S)
    world.source.free.clear()
    for _ in range(3):
        await worker.avatars()
    world.source.looks[OTTO] = Look()
    world.source.free.set()
    await asyncio.sleep(0.01)
    assert world.source.asked == 2
    assert list(await worker.avatars()) == [MIRA]  # as it was when it was asked
    world.clock.pass_(seconds=FRESH_S)
    assert list(await worker.avatars()) == [MIRA, OTTO]


async def test_it_stands_in_for_half_an_hour(world: World) -> None:
    worker = world.worker()
    await worker.avatars()
    world.source.failure = CatalogueUnreachable()
    world.clock.pass_(seconds=KEPT_S - 1)
    assert await worker.avatars() == {MIRA: Look()}
    world.clock.pass_(seconds=1)
    with pytest.raises(CatalogueUnreachable):
        await worker.avatars()


async def test_a_failure_is_not_repeated_for_every_look(world: World) -> None:
    worker = world.worker()
    await worker.avatars()
    world.source.failure = CatalogueTimeout()
    world.clock.pass_(seconds=FRESH_S)
    for _ in range(5):
        await worker.avatars()
    assert world.source.asked == 2
    world.source.failure = None
    world.clock.pass_(seconds=FRESH_S)
    await worker.avatars()
    assert world.source.asked == 3


async def test_without_a_copy_the_refusal_is_told(world: World) -> None:
    world.source.failure = CatalogueTimeout("Avatar service timeout")
    with pytest.raises(CatalogueTimeout, match="Avatar service timeout"):
        await world.worker().avatars()


async def test_adding_ends_what_was_known(world: World) -> None:
    one, other = world.worker(), world.worker()
    await one.avatars()
    assert (await other.add(NEW)).image == "otto.png"
    assert list(await one.avatars()) == [MIRA, OTTO]


async def test_deleting_ends_it_at_every_worker_also_as_a_stand_in(world: World) -> None:
    one, other = world.worker(), world.worker()
    await one.avatars()
    await one.preview(MIRA)
    await other.delete(MIRA)
    with pytest.raises(PreviewMissing):
        await one.preview(MIRA)
    world.source.failure = CatalogueUnreachable()
    with pytest.raises(CatalogueUnreachable):
        await one.avatars()


async def test_a_list_asked_before_a_deletion_is_not_shown_after_it(world: World) -> None:
    worker = world.worker()
    world.source.free.clear()
    early = asyncio.create_task(worker.avatars())
    await asyncio.sleep(0.01)
    await worker.delete(MIRA)
    late = asyncio.create_task(worker.avatars())
    await asyncio.sleep(0.01)
    world.source.free.set()
    assert await early == {MIRA: Look()}
    assert await late == {}
    assert await worker.avatars() == {}


async def test_what_was_refused_ends_nothing(world: World) -> None:
    worker = world.worker()
    await worker.avatars()
    with pytest.raises(DeletionRejected):
        await worker.delete(OTTO)
    world.source.looks[OTTO] = Look()
    with pytest.raises(CreationRejected):
        await worker.add(NEW)
    assert list(await worker.avatars()) == [MIRA]


async def test_previews_count_for_ten_minutes(world: World) -> None:
    worker = world.worker()
    first = await worker.preview(MIRA)
    world.clock.pass_(seconds=599)
    assert await worker.preview(MIRA) == first
    assert world.source.asked == 1
    world.clock.pass_(seconds=1)
    await worker.preview(MIRA)
    assert world.source.asked == 2


async def test_without_redis_nothing_is_guessed_and_what_has_happened_is_said(world: World) -> None:
    worker = world.worker()
    world.copies.down = True
    with pytest.raises(StorageUnavailable):
        await worker.avatars()
    with pytest.raises(StorageUnavailable):
        await worker.preview(MIRA)
    assert await worker.delete(MIRA) == "Avatar mira deleted"


async def test_it_can_be_checked(world: World) -> None:
    await world.worker().check()
    world.source.failure = CatalogueUnreachable()
    with pytest.raises(CatalogueUnreachable):
        await world.worker().check()
