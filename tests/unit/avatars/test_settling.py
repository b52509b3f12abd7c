"""What managers count is what is held, whatever became of single calls."""

import asyncio
from dataclasses import replace

import pytest

from application.ports.avatar_leases import CallState
from application.ports.avatar_pool import PoolBusy, PoolTimeout, PoolUnreachable
from tests.fakes.avatar_pool import MANAGER
from tests.unit.avatars.stage import ANN, BEN, MIRA, OTTO, Stage


async def timed_out(stage: Stage, *, counted: bool = True) -> None:
    """Ann's start was not answered in time; it may have counted all the same."""
    if counted:
        stage.pool.late.add("start")
    else:
        stage.pool.refuse_with[MANAGER] = PoolTimeout()
    with pytest.raises(PoolTimeout):
        await stage.start(ANN, MIRA)
    stage.pool.late.clear()
    stage.pool.refuse_with.clear()


class TestAStartThatTimedOut:
    async def test_is_adopted_when_it_has_come_about(self, stage: Stage) -> None:
        await timed_out(stage)
        assert await stage.leases.of(ANN) is None
        await stage.settle()
        lease = await stage.leases.of(ANN)
        assert lease
        assert lease.instance == stage.pool.of()[MIRA]
        assert stage.is_even()
        assert stage.states == []

    async def test_is_adopted_beside_others(self, stage: Stage) -> None:
        await stage.held(BEN)
        await timed_out(stage)
        await stage.settle()
        assert await stage.leases.of(ANN)
        assert stage.is_even()

    async def test_is_awaited_while_it_may_still_come(self, stage: Stage) -> None:
        await timed_out(stage, counted=False)
        await stage.settle()
        stage.clock.pass_(seconds=100)
        await stage.settle()
        assert stage.states == [CallState.DOUBTFUL]
        await stage.pool.start(MANAGER, ANN, MIRA)  # the manager has got to it
        await stage.settle()
        assert await stage.leases.of(ANN)
        assert stage.is_even()

    async def test_is_forgotten_when_it_never_comes(self, stage: Stage) -> None:
        await timed_out(stage, counted=False)
        stage.clock.pass_(seconds=301)
        await stage.settle()
        assert stage.states == []

    async def test_is_disconnected_when_the_user_wants_another(self, stage: Stage) -> None:
        await timed_out(stage)
        await stage.held(ANN, OTTO)
        await stage.settle()  # finds it out
        await stage.settle()  # and makes it good
        assert stage.pool.counts == {OTTO: 1}
        assert stage.states == []

    async def test_is_disconnected_when_the_user_has_left(self, stage: Stage) -> None:
        await timed_out(stage)
        await stage.release(ANN)
        await stage.settle()
        await stage.settle()
        assert stage.pool.counts == {}
        assert stage.leases.mappings == {}

    async def test_and_was_asked_again_counts_once(self, stage: Stage) -> None:
        await timed_out(stage)
        lease = await stage.held(ANN, MIRA)
        assert stage.pool.counts == {MIRA: 2}
        await stage.settle()
        await stage.settle()
        assert stage.pool.counts == {MIRA: 1}
        assert await stage.leases.of(ANN) == lease

    async def test_is_judged_only_when_nothing_is_under_way(self, stage: Stage) -> None:
        await timed_out(stage, counted=False)
        stage.pool.delay = 0.05
        ben = asyncio.create_task(stage.start(BEN, MIRA))
        await asyncio.sleep(0.06)
        stage.pool.delay = 0.0
        await asyncio.sleep(0)
        await stage.settle()
        await ben
        await stage.settle()
        assert list(stage.leases.mappings) == [BEN]
        assert stage.is_even()

    async def test_at_a_manager_that_tells_no_figures(self, stage: Stage) -> None:
        await timed_out(stage)
        stage.pool.of()[MIRA] = replace(stage.pool.of()[MIRA], connections=None)
        await stage.settle()
        assert await stage.leases.of(ANN)

    async def test_waits_for_the_manager_to_answer(self, stage: Stage) -> None:
        await timed_out(stage)
        stage.pool.refuse_with[MANAGER] = PoolUnreachable()
        await stage.settle()
        assert stage.states == [CallState.DOUBTFUL]


class TestAStopThatTimedOut:
    async def parted(self, stage: Stage, *, counted: bool) -> None:
        await stage.held(ANN)
        await stage.held(BEN)
        if counted:
            stage.pool.late.add("disconnect")
        else:
            stage.pool.refuse_with[MANAGER] = PoolTimeout()
        await stage.disconnect(ANN)
        stage.pool.late.clear()
        stage.pool.refuse_with.clear()
        assert stage.states == [CallState.DOUBTFUL]

    async def test_and_counted_is_not_made_again(self, stage: Stage) -> None:
        await self.parted(stage, counted=True)
        stage.clock.pass_(seconds=71)
        await stage.settle()
        await stage.settle()
        assert stage.states == []
        assert stage.pool.counts == {MIRA: 1}

    async def test_and_did_not_count_is_made_again_once(self, stage: Stage) -> None:
        await self.parted(stage, counted=False)
        await stage.settle()
        assert stage.states == [CallState.DOUBTFUL]  # the manager may be busy and get to it yet
        stage.clock.pass_(seconds=71)
        await stage.settle()
        await stage.settle()
        assert stage.states == []
        assert stage.pool.counts == {MIRA: 1}

    async def test_of_an_instance_that_is_gone_is_over(self, stage: Stage) -> None:
        await self.parted(stage, counted=False)
        stage.pool.of().clear()
        stage.clock.pass_(seconds=71)
        await stage.settle()
        assert stage.states == []


class TestWhatADeadWorkerLeft:
    async def test_start_is_found_out_and_given_back(self, stage: Stage) -> None:
        stage.pool.delay = 0.05
        start = asyncio.create_task(stage.start(ANN, MIRA))
        await asyncio.sleep(0.01)
        stage.leases.down = True  # whoever asked can write nothing down any more
        await asyncio.gather(start, return_exceptions=True)
        stage.leases.down = False
        stage.pool.delay = 0.0
        await stage.settle()
        assert stage.states == [CallState.OPEN]
        stage.clock.pass_(seconds=101)
        for _ in range(3):
            await stage.settle()
        assert stage.pool.counts == {}
        assert stage.states == []

    async def test_is_settled_by_one(self, stage: Stage) -> None:
        await timed_out(stage)
        stage.keeper.ours = False
        await stage.settle()
        assert stage.states == [CallState.DOUBTFUL]


class TestKeepingAlive:
    async def test_makes_a_pair_every_20_minutes(self, stage: Stage) -> None:
        await stage.held(ANN, MIRA)
        await stage.held(BEN, MIRA)
        await stage.keep_alive(MANAGER)
        stage.clock.pass_(seconds=1199)
        for lease in list(stage.leases.mappings.values()):
            await stage.leases.renew(lease)
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == 2
        stage.clock.pass_(seconds=1)
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == 3  # one for both
        assert stage.pool.counts == {MIRA: 2}
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == 3
        assert stage.states == []

    async def test_counts_from_any_start(self, stage: Stage) -> None:
        await stage.held(ANN, MIRA)
        stage.clock.pass_(seconds=1000)
        await stage.use(ANN)
        await stage.held(BEN, MIRA)
        await stage.disconnect(BEN)
        stage.clock.pass_(seconds=500)
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == 2

    async def test_keeps_nothing_that_nobody_holds(self, stage: Stage) -> None:
        stage.lapse(await stage.held())
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == 1

    async def test_is_done_by_one_and_per_manager(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.clock.pass_(seconds=1300)
        await stage.leases.renew(lease)
        await stage.keep_alive("http://other")
        stage.keeper.ours = False
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == 1

    async def test_tries_again_soon_after_a_failure(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.clock.pass_(seconds=1300)
        await stage.leases.renew(lease)
        for refusal in (PoolUnreachable(), PoolBusy()):
            stage.pool.refuse_with[MANAGER] = refusal
            await stage.keep_alive(MANAGER)
            assert stage.states == []
        stage.pool.refuse_with.clear()
        await stage.keep_alive(MANAGER)
        assert stage.is_even()
        starts = stage.pool.starts()
        await stage.keep_alive(MANAGER)
        assert stage.pool.starts() == starts

    @pytest.mark.parametrize("half", ["start", "disconnect"])
    async def test_that_is_cut_off_is_made_even(self, stage: Stage, half: str) -> None:
        lease = await stage.held()
        stage.clock.pass_(seconds=1300)
        await stage.leases.renew(lease)
        stage.pool.late.add(half)
        await stage.keep_alive(MANAGER)
        stage.pool.late.clear()
        assert stage.states == [CallState.DOUBTFUL]
        await stage.keep_alive(MANAGER)  # not while that is open
        assert stage.pool.starts() == 2
        stage.clock.pass_(seconds=71)
        await stage.settle()
        await stage.settle()
        assert stage.states == []
        assert stage.is_even()
