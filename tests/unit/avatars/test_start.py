import asyncio

import pytest

from application.ports.avatar_catalogue import CatalogueTimeout
from application.ports.avatar_leases import CallState
from application.ports.avatar_pool import (
    PoolBusy,
    PoolFailed,
    PoolRefused,
    PoolTimeout,
    PoolUnreachable,
)
from domain.avatar import AvatarName, UnknownAvatar
from domain.catalogue import Look
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.avatar_pool import MANAGER, FakeAvatarPool
from tests.unit.avatars.stage import ANN, BEN, LENA, MIRA, OTTO, Stage

AWAY: list[type[DomainError]] = [PoolUnreachable, PoolTimeout, PoolFailed, PoolBusy, PoolRefused]


class TestStarting:
    async def test_gives_the_user_a_lease(self, stage: Stage) -> None:
        started = await stage.start(ANN, MIRA)
        assert started.is_new
        assert started.lease == await stage.leases.of(ANN)
        assert started.lease.instance == stage.pool.of()[MIRA]
        assert started.lease.instance_id == "mira_user_7"
        assert stage.is_even()
        assert stage.states == []

    async def test_shares_what_runs(self, stage: Stage) -> None:
        ann = await stage.start(ANN, MIRA)
        ben = await stage.start(BEN, MIRA)
        assert not ben.is_new
        assert ben.lease.instance.same_launch(ann.lease.instance)
        assert stage.is_even()

    async def test_again_counts_once(self, stage: Stage) -> None:
        first = await stage.start(ANN, MIRA)
        stage.clock.pass_(seconds=1700)
        stage.leases.mappings[ANN] = first.lease  # confirmed long ago
        again = await stage.start(ANN, MIRA)
        assert not again.is_new
        assert again.lease.number == first.lease.number
        assert stage.pool.starts() == 1
        stage.clock.pass_(seconds=1700)
        assert await stage.leases.of(ANN)  # renewed

    async def test_at_once_counts_once(self, stage: Stage) -> None:
        stage.pool.delay = 0.01
        found = await stage.at_once(*[(ANN, MIRA)] * 6)
        assert len({one.lease.number for one in found if not isinstance(one, BaseException)}) == 1
        assert stage.pool.starts() == 1
        assert stage.is_even()

    async def test_of_two_at_once_leaves_one(self, stage: Stage) -> None:
        stage.pool.delay = 0.01
        await stage.at_once((ANN, MIRA), (ANN, OTTO))
        assert len(stage.leases.mappings) == 1
        assert stage.is_even()

    async def test_waits_for_another_one_only_so_long(self, stage: Stage) -> None:
        stage.pool.delay = 1.0
        first = asyncio.create_task(stage.start(ANN, MIRA))
        await asyncio.sleep(0)
        with pytest.raises(PoolTimeout):
            await stage.start(ANN, OTTO)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    async def test_of_one_user_waits_for_no_other(self, stage: Stage) -> None:
        stage.pool.delay = 0.1
        slow = asyncio.create_task(stage.start(ANN, MIRA))
        await asyncio.sleep(0)
        stage.pool.delay = 0.0
        await stage.start(BEN, OTTO)
        assert not slow.done()
        await slow


class TestSwitching:
    async def test_disconnects_the_old_one_once(self, stage: Stage) -> None:
        old = await stage.held()
        new = await stage.held(avatar=OTTO)
        assert new.number > old.number
        assert stage.asked("disconnect") == 1
        assert stage.pool.counts == {OTTO: 1}
        assert stage.states == []

    async def test_goes_on_when_the_old_one_cannot_be_disconnected(self, stage: Stage) -> None:
        await stage.held()
        stage.pool.late.add("disconnect")
        await stage.held(avatar=OTTO)
        assert stage.is_even()
        assert stage.states == [CallState.DOUBTFUL]

    async def test_to_one_that_cannot_be_had_leaves_none(self, stage: Stage) -> None:
        await stage.held()
        stage.pool.unknown = frozenset({OTTO})
        with pytest.raises(PoolRefused):
            await stage.start(ANN, OTTO)
        assert stage.leases.mappings == {}
        assert stage.is_even()

    async def test_takes_a_lapsed_lease_for_an_old_one(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.lapse(lease)
        again = await stage.start(ANN, MIRA)
        assert again.lease.number > lease.number
        assert stage.asked("disconnect") == 1
        assert stage.is_even()


class TestTheCatalogue:
    async def test_refuses_what_it_does_not_know(self, stage: Stage) -> None:
        stage.catalogue.looks[OTTO] = Look()
        with pytest.raises(UnknownAvatar, match="Avatar 'mira' does not exist"):
            await stage.start(ANN, MIRA)
        assert stage.pool.asked == []
        await stage.start(ANN, OTTO)

    async def test_refuses_nothing_when_it_is_away_or_empty(self, stage: Stage) -> None:
        await stage.start(ANN, MIRA)
        stage.catalogue.failure = CatalogueTimeout()
        await stage.start(ANN, OTTO)

    async def test_is_not_asked_for_what_is_held(self, stage: Stage) -> None:
        await stage.held()
        stage.catalogue.looks[OTTO] = Look()
        await stage.start(ANN, MIRA)


class TestFailing:
    @pytest.mark.parametrize("refusal", AWAY)
    async def test_leaves_no_lease_and_no_claim(self, stage: Stage, refusal: type[DomainError]) -> None:
        stage.pool.refuse_with[MANAGER] = refusal()
        with pytest.raises(refusal):
            await stage.start(ANN, MIRA)
        assert stage.leases.mappings == {}
        doubtful = refusal in (PoolTimeout, PoolFailed)
        assert stage.states == ([CallState.DOUBTFUL] if doubtful else [])
        assert await stage.leases.claim(ANN)

    async def test_by_being_cancelled_leaves_the_outcome_open(self, stage: Stage) -> None:
        stage.pool.delay = 10
        start = asyncio.create_task(stage.start(ANN, MIRA))
        await asyncio.sleep(0.01)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert stage.states == [CallState.DOUBTFUL]
        assert await stage.leases.claim(ANN)

    async def test_tries_the_next_manager(self) -> None:
        stage = Stage(pool=FakeAvatarPool(managers=("http://a", "http://b"), limit=1))
        await stage.held(ANN, MIRA)
        await stage.held(BEN, OTTO)
        assert {one.instance.manager for one in stage.leases.mappings.values()} == {"http://a", "http://b"}
        with pytest.raises(PoolBusy):
            await stage.start(UserId(9), LENA)
        stage.pool.refuse_with["http://a"] = PoolUnreachable()
        assert (await stage.held(UserId(9), OTTO)).instance.manager == "http://b"

    async def test_where_all_are_full_or_away_says_that_they_are_full(self) -> None:
        stage = Stage(pool=FakeAvatarPool(managers=("http://a", "http://b"), limit=0))
        stage.pool.refuse_with["http://b"] = PoolUnreachable()
        with pytest.raises(PoolBusy):
            await stage.start(ANN, MIRA)

    async def test_without_a_manager_is_unreachable(self) -> None:
        with pytest.raises(PoolUnreachable):
            await Stage(pool=FakeAvatarPool(managers=())).start(ANN, MIRA)


class TestBeingOvertaken:
    async def test_by_leaving_gives_it_back(self, stage: Stage) -> None:
        stage.pool.delay = 0.02
        start = asyncio.create_task(stage.start(ANN, MIRA))
        await asyncio.sleep(0.01)
        await stage.release(ANN)
        with pytest.raises(PoolRefused):
            await start
        assert stage.leases.mappings == {}
        await stage.settle()
        assert stage.pool.counts == {}
        assert stage.states == []

    async def test_by_a_newer_start_never_takes_its_place(self, stage: Stage) -> None:
        stage.pool.delay = 0.05
        late = asyncio.create_task(stage.start(ANN, MIRA))
        await asyncio.sleep(0.01)
        stage.clock.pass_(seconds=91)  # its claim has run out
        stage.pool.delay = 0.0
        newer = await stage.held(avatar=OTTO)
        with pytest.raises(PoolRefused):
            await late
        assert await stage.leases.of(ANN) == newer
        await stage.settle()
        assert stage.is_even()


class TestNewness:
    async def test_is_what_the_manager_really_did(self, stage: Stage) -> None:
        await stage.held(ANN)
        stage.pool.relaunch(MIRA)  # by itself, after a crash
        ben = await stage.start(BEN, MIRA)
        assert ben.is_new
        assert (await stage.start(BEN, MIRA)).is_new is False

    async def test_is_not_guessed_where_nothing_is_known(self, stage: Stage) -> None:
        await stage.held(ANN)
        stage.leases.starts.clear()
        assert (await stage.start(BEN, MIRA)).is_new is False


async def test_one_that_is_down_is_started_anew(stage: Stage) -> None:
    lease = await stage.held()
    stage.pool.crash(MIRA)
    await stage.confirm(lease, doubted=True)
    again = await stage.start(ANN, MIRA)
    assert again.is_new
    assert again.lease.number > lease.number
    assert again.lease.instance.running
    assert stage.is_even()


async def test_500_starts_of_100_users_at_once() -> None:
    stage = Stage(pool=FakeAvatarPool(limit=5, delay=0.001), claim_wait_s=20)
    names = [AvatarName(f"avatar-{n}") for n in range(8)]
    wishes = [(UserId(user), names[(user + n) % 8]) for n in range(5) for user in range(1, 101)]
    found = await stage.at_once(*wishes)
    assert {type(one) for one in found if isinstance(one, BaseException)} <= {PoolBusy}
    await stage.settle()
    assert len(stage.pool.of()) <= 5
    assert stage.is_even()
