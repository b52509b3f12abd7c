"""How leases end: given back, released with who leaves, reaped, or gone with their instance."""

import pytest

from application.avatars.confirm import CONFIRMED_FOR_S
from application.avatars.disconnect import Parted
from application.ports.avatar_leases import CallState
from application.ports.avatar_pool import PoolTimeout, PoolUnreachable
from domain.avatar import NoAvatar, RtcSession
from tests.fakes.avatar_pool import MANAGER
from tests.unit.avatars.stage import ANN, BEN, MIRA, OTTO, Stage

RTC = RtcSession(123456)


class TestDisconnecting:
    async def test_gives_it_back(self, stage: Stage) -> None:
        await stage.held()
        assert await stage.disconnect(ANN) == Parted(MIRA, told=True)
        assert stage.pool.counts == {}
        assert stage.states == []
        assert await stage.disconnect(ANN) is None
        assert stage.asked("disconnect") == 1

    async def test_is_noted_where_the_manager_does_not_answer(self, stage: Stage) -> None:
        await stage.held()
        stage.pool.refuse_with[MANAGER] = PoolUnreachable()
        assert await stage.disconnect(ANN) == Parted(MIRA, told=False)
        assert await stage.leases.of(ANN) is None
        assert stage.states == [CallState.OWED]
        await stage.settle()
        assert stage.states == [CallState.OWED]
        stage.pool.refuse_with.clear()
        await stage.settle()
        assert stage.pool.counts == {}
        assert stage.states == []

    async def test_of_one_leaves_the_others(self, stage: Stage) -> None:
        await stage.held(ANN)
        await stage.held(BEN)
        await stage.disconnect(ANN)
        assert stage.pool.counts == {MIRA: 1}
        assert await stage.leases.of(BEN)


class TestReleasing:
    async def test_asks_nobody_and_is_settled_soon(self, stage: Stage) -> None:
        await stage.held()
        await stage.release(ANN)
        assert await stage.leases.of(ANN) is None
        assert stage.asked("disconnect") == 0
        await stage.settle()
        assert stage.pool.counts == {}

    async def test_of_nothing_is_fine(self, stage: Stage) -> None:
        await stage.release(ANN)
        assert stage.states == []

    async def test_is_not_held_up_by_an_outage(self, stage: Stage) -> None:
        await stage.held()
        stage.leases.down = True
        await stage.release(ANN)


class TestReaping:
    async def test_takes_what_is_idle(self, stage: Stage) -> None:
        idle = await stage.held(ANN)
        stage.clock.pass_(seconds=1000)
        await stage.held(BEN)
        stage.clock.pass_(seconds=900)
        assert await stage.reap() == 1
        assert idle.user not in stage.leases.mappings
        assert stage.is_even()
        assert stage.states == []
        assert await stage.reap() == 0

    async def test_is_done_by_one(self, stage: Stage) -> None:
        stage.lapse(await stage.held())
        stage.keeper.ours = False
        assert await stage.reap() == 0
        assert ANN in stage.leases.mappings

    async def test_hits_no_newer_lease(self, stage: Stage) -> None:
        stage.lapse(await stage.held())
        books = await stage.leases.books()
        newer = await stage.held()
        for lease in books.leases:
            await stage.leases.drop(lease, 0.0, CallState.OPEN)
        assert await stage.leases.of(ANN) == newer

    async def test_drops_what_is_at_no_manager_of_ours(self, stage: Stage) -> None:
        await stage.held()
        stage.pool.managers = ("http://other",)
        assert await stage.reap() == 1
        assert stage.leases.mappings == {}
        assert stage.states == []


class TestConfirming:
    async def test_asks_the_manager_when_it_was_long_ago(self, stage: Stage) -> None:
        lease = await stage.held()
        assert await stage.confirm(lease) == lease
        assert stage.asked("list") == 0
        stage.clock.pass_(seconds=CONFIRMED_FOR_S)
        confirmed = await stage.confirm(lease)
        assert confirmed
        assert confirmed.confirmed_at == stage.clock.now().timestamp()
        assert await stage.leases.of(ANN) == confirmed
        assert stage.asked("list") == 1
        assert await stage.confirm(confirmed) == confirmed
        assert stage.asked("list") == 1

    async def test_follows_it_to_another_port(self, stage: Stage) -> None:
        lease = await stage.held()
        await stage.leases.capture(lease, RTC)
        stage.clock.pass_(seconds=1)
        fresh = stage.pool.relaunch(MIRA)
        moved = await stage.confirm(lease, doubted=True)
        assert moved
        assert moved.instance == fresh
        assert moved.number == lease.number
        assert await stage.leases.current_rtc(moved) is None

    async def test_drops_what_is_gone(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.pool.of().clear()
        stage.clock.pass_(seconds=1)
        assert await stage.confirm(lease, doubted=True) is None
        assert await stage.leases.of(ANN) is None
        assert stage.states == []  # there is nothing to disconnect

    async def test_lets_it_stand_while_the_manager_is_away(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.pool.refuse_with[MANAGER] = PoolTimeout()
        assert await stage.confirm(lease, doubted=True) == lease
        assert await stage.leases.of(ANN) == lease

    async def test_knows_one_that_is_down_until_it_is_back(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.pool.crash(MIRA)
        stage.clock.pass_(seconds=1)
        down = await stage.confirm(lease, doubted=True)
        assert down
        assert not down.instance.running
        assert down.instance.port == lease.instance.port
        stage.pool.relaunch(MIRA)
        stage.clock.pass_(seconds=1)
        back = await stage.confirm(down)
        assert back
        assert back.instance.running
        assert back.instance.port != lease.instance.port


class TestUsing:
    async def test_needs_a_lease(self, stage: Stage) -> None:
        with pytest.raises(NoAvatar):
            await stage.use(ANN)

    async def test_renews_it(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.clock.pass_(seconds=1700)
        used = await stage.use(ANN)
        assert used.number == lease.number
        stage.clock.pass_(seconds=1700)
        assert await stage.leases.of(ANN)

    async def test_looks_again_for_what_was_refused(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.clock.pass_(seconds=1)
        fresh = stage.pool.relaunch(MIRA)
        assert (await stage.use(ANN, doubted=lease)).instance == fresh
        assert (await stage.use(ANN, doubted=lease)).instance == fresh  # somebody else has looked by now
        assert stage.asked("list") == 1
        stage.pool.of().clear()
        stage.clock.pass_(seconds=1)
        with pytest.raises(NoAvatar):
            await stage.use(ANN, doubted=await stage.use(ANN))


class TestReconciling:
    async def test_corrects_and_removes(self, stage: Stage) -> None:
        await stage.held(ANN, MIRA)
        await stage.held(BEN, OTTO)
        fresh = stage.pool.relaunch(MIRA)
        del stage.pool.of()[OTTO]
        stage.clock.pass_(seconds=50)
        await stage.reconcile(MANAGER)
        lease = await stage.leases.of(ANN)
        assert lease
        assert lease.instance == fresh
        assert await stage.leases.of(BEN) is None

    async def test_makes_no_lease_of_what_runs(self, stage: Stage) -> None:
        await stage.pool.start(MANAGER, BEN, OTTO)
        await stage.held(ANN)
        stage.clock.pass_(seconds=50)
        await stage.reconcile(MANAGER)
        assert list(stage.leases.mappings) == [ANN]
        assert stage.pool.counts == {MIRA: 1, OTTO: 1}

    async def test_asks_only_for_what_is_due(self, stage: Stage) -> None:
        await stage.reconcile(MANAGER)
        await stage.held()
        stage.clock.pass_(seconds=30)
        await stage.reconcile(MANAGER)
        assert stage.asked("list") == 0
        stage.clock.pass_(seconds=20)
        await stage.reconcile("http://other")
        stage.keeper.ours = False
        await stage.reconcile(MANAGER)
        assert stage.asked("list") == 0

    async def test_of_one_that_is_away_changes_nothing(self, stage: Stage) -> None:
        lease = await stage.held()
        stage.clock.pass_(seconds=50)
        stage.pool.refuse_with[MANAGER] = PoolUnreachable()
        await stage.reconcile(MANAGER)
        assert await stage.leases.of(ANN) == lease
