"""Leases: at most one per user, changed only by whoever names the current number."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass, replace

import pytest
from redis.asyncio import Redis

from adapters.redis.avatar_holdings import RedisHoldings
from adapters.redis.avatar_keeper import RedisKeeper
from adapters.redis.avatar_leases import RedisAvatarLeases
from application.ports.avatar_leases import LINES_MAX, CallKind, CallState, LastStart, ManagerCall
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber, RtcSession
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.contracts.times import Time, ToldTime
from tests.fakes.avatar_leases import FakeAvatarLeases

ANN, BEN = UserId(7), UserId(8)
MIRA, OTTO = AvatarName("mira"), AvatarName("otto")
MANAGER = "http://manager:8607"
NOW = 1763462000.125
RTC, OTHER_RTC = RtcSession(123456), RtcSession(654321)

INSTANCE = Instance(
    manager=MANAGER,
    avatar=MIRA,
    host="gpu",
    port=8615,
    pid=42,
    start_time="2025-11-18T10:00:00",
    gpu=1,
    connections=2,
)


@dataclass(frozen=True, slots=True)
class Table:
    leases: RedisAvatarLeases | FakeAvatarLeases
    holdings: RedisHoldings | FakeAvatarLeases

    async def claimed(self, user: UserId = ANN) -> LeaseNumber:
        number = await self.holdings.claim(user)
        assert number is not None
        return number

    async def held(self, user: UserId = ANN, instance: Instance = INSTANCE) -> Lease:
        lease = lease_of(user, await self.claimed(user), instance)
        assert await self.holdings.begin(start_of(lease), NOW)
        assert await self.holdings.hold(lease)
        return lease

    async def doubted(self, user: UserId = ANN) -> tuple[ManagerCall, Lease]:
        """A start of which nobody knows whether it counted, and the lease that it may become."""
        lease = lease_of(user, await self.claimed(user))
        begun = await self.holdings.begin(start_of(lease), NOW)
        assert begun
        await self.holdings.doubt(begun, NOW + 60, wanted=True)
        await self.holdings.let_go(user, lease.number)
        [call] = await self.calls()
        return call, lease

    async def calls(self) -> list[ManagerCall]:
        return list((await self.holdings.books()).calls)


def lease_of(user: UserId, number: LeaseNumber, instance: Instance = INSTANCE) -> Lease:
    return Lease(
        user=user,
        avatar=instance.avatar,
        number=number,
        instance=instance,
        started_at=NOW,
        confirmed_at=NOW,
    )


def start_of(lease: Lease, kind: CallKind = CallKind.START) -> ManagerCall:
    return ManagerCall(
        number=lease.number,
        user=lease.user,
        manager=lease.instance.manager,
        avatar=lease.avatar,
        kind=kind,
        state=CallState.OPEN,
        since=NOW,
    )


def stop_of(lease: Lease, state: CallState, since: float = NOW) -> ManagerCall:
    return replace(start_of(lease, CallKind.STOP), state=state, since=since)


@pytest.fixture
def table(kind: str, redis: Redis, time: Time) -> Table:
    return table_of(kind, redis, time, idle_s=100)


def table_of(kind: str, redis: Redis, time: Time, idle_s: int) -> Table:
    if kind == "memory":
        fake = FakeAvatarLeases(idle_s, time.clock)
        return Table(fake, fake)
    return Table(RedisAvatarLeases(redis, idle_s), RedisHoldings(redis, idle_s))


@pytest.fixture
def brief(kind: str, redis: Redis, time: Time) -> Table:
    """Leases that lapse after a second."""
    return table_of(kind, redis, time, idle_s=1)


class TestALease:
    async def test_is_what_was_held(self, table: Table) -> None:
        assert await table.leases.of(ANN) is None
        lease = await table.held()
        assert await table.leases.of(ANN) == lease
        assert await table.holdings.held(ANN) == lease
        assert await table.leases.of(BEN) is None

    async def test_may_know_little_of_its_instance(self, table: Table) -> None:
        bare = Instance(manager=MANAGER, avatar=MIRA, host="gpu", port=8615)
        lease = await table.held(instance=bare)
        assert await table.leases.of(ANN) == lease

    async def test_is_one_per_user(self, table: Table) -> None:
        first = await table.held()
        second = await table.held(instance=replace(INSTANCE, avatar=OTTO))
        assert second.number > first.number
        assert await table.leases.of(ANN) == second
        assert not await table.leases.renew(first)

    async def test_lapses_unless_it_is_renewed(self, brief: Table, time: Time) -> None:
        lease = await brief.held()
        await time.pass_(0.6)
        assert await brief.leases.renew(lease)
        await time.pass_(0.6)
        assert await brief.leases.of(ANN) == lease
        await time.pass_(0.6)
        assert await brief.leases.of(ANN) is None
        assert not await brief.leases.renew(lease)
        assert await brief.holdings.held(ANN) == lease  # the manager still counts it
        assert (await brief.holdings.books()).lapsed == {lease.number}


class TestRtcSessions:
    async def test_belong_to_the_lease_they_were_captured_on(self, table: Table) -> None:
        lease, bens = await table.held(), await table.held(BEN)
        assert not await table.leases.renew(lease, RTC)
        assert await table.leases.capture(lease, RTC)
        assert await table.leases.renew(lease, RTC)
        assert not await table.leases.renew(bens, RTC)
        assert not await table.leases.select(BEN, RTC)

    async def test_the_last_one_is_current_until_another_is_selected(self, table: Table) -> None:
        lease = await table.held()
        assert await table.leases.current_rtc(lease) is None
        await table.leases.capture(lease, RTC)
        await table.leases.capture(lease, OTHER_RTC)
        assert await table.leases.current_rtc(lease) == OTHER_RTC
        assert await table.leases.select(ANN, RTC)
        assert await table.leases.current_rtc(lease) == RTC
        assert not await table.leases.select(ANN, RtcSession(1))
        assert await table.leases.current_rtc(lease) == RTC

    async def test_whose_number_is_given_again_is_the_new_ones(self, table: Table) -> None:
        anns, bens = await table.held(), await table.held(BEN)
        await table.leases.capture(anns, OTHER_RTC)
        await table.leases.capture(anns, RTC)
        await table.leases.capture(bens, RTC)  # the instance has lost the first one and uses its number again
        assert await table.leases.renew(bens, RTC)
        assert not await table.leases.renew(anns, RTC)
        assert await table.leases.current_rtc(anns) is None
        assert not await table.leases.select(ANN, RTC)
        assert await table.leases.renew(anns, OTHER_RTC)

    async def test_are_no_more_than_somebody_needs(self, table: Table) -> None:
        lease = await table.held()
        sessions = [RtcSession(100_000 + n) for n in range(3 * LINES_MAX)]
        for rtc in sessions:
            assert await table.leases.capture(lease, rtc)
            assert await table.leases.current_rtc(lease) == rtc
        kept = [rtc for rtc in sessions if await table.leases.renew(lease, rtc)]
        assert len(kept) <= LINES_MAX
        assert sessions[-1] in kept

    async def test_are_gone_with_their_lease(self, table: Table) -> None:
        old = await table.held()
        await table.leases.capture(old, RTC)
        new = await table.held()
        assert not await table.leases.capture(old, OTHER_RTC)
        assert await table.leases.current_rtc(old) is None
        assert await table.leases.current_rtc(new) is None
        assert not await table.leases.renew(new, RTC)
        assert not await table.leases.select(ANN, RTC)

    async def test_can_be_forgotten_by_whoever_holds_the_lease(self, table: Table) -> None:
        old = await table.held()
        lease = await table.held()
        await table.leases.capture(lease, RTC)
        await table.leases.capture(lease, OTHER_RTC)
        await table.leases.forget_rtc(old, OTHER_RTC)
        assert await table.leases.current_rtc(lease) == OTHER_RTC
        await table.leases.forget_rtc(lease, OTHER_RTC)
        assert await table.leases.current_rtc(lease) is None
        assert await table.leases.renew(lease, RTC)
        assert not await table.leases.renew(lease, OTHER_RTC)

    async def test_of_a_lapsed_lease_are_nobodys(self, brief: Table, time: Time) -> None:
        lease = await brief.held()
        await brief.leases.capture(lease, RTC)
        await time.pass_(1.2)
        assert await brief.leases.current_rtc(lease) is None
        assert not await brief.leases.select(ANN, RTC)
        assert not await brief.leases.capture(lease, OTHER_RTC)


class TestAClaim:
    async def test_is_for_one(self, table: Table) -> None:
        number = await table.claimed()
        assert await table.holdings.claim(ANN) is None
        assert await table.claimed(BEN) > number
        await table.holdings.let_go(ANN, LeaseNumber(number + 999))
        assert await table.holdings.claim(ANN) is None
        await table.holdings.let_go(ANN, number)
        assert await table.claimed() > number

    async def test_of_many_at_once_one_gets_it(self, table: Table) -> None:
        found = await asyncio.gather(*(table.holdings.claim(ANN) for _ in range(50)))
        assert found.count(None) == 49

    async def test_ends_with_what_it_was_for(self, table: Table) -> None:
        lease = await table.held()
        assert not await table.holdings.hold(lease)
        assert await table.claimed() > lease.number

    async def test_that_was_lost_brings_nothing(self, table: Table) -> None:
        late = lease_of(ANN, await table.claimed())
        begun = await table.holdings.begin(start_of(late), NOW)
        await table.holdings.let_go(ANN, late.number)
        newer = await table.held(instance=replace(INSTANCE, avatar=OTTO))
        assert not await table.holdings.hold(late)
        assert await table.leases.of(ANN) == newer
        assert await table.calls() == [begun]  # and the manager still has to be told

    async def test_is_lost_when_the_user_leaves(self, table: Table) -> None:
        late = lease_of(ANN, await table.claimed())
        assert await table.holdings.give_up(ANN, NOW, CallState.OWED) is None
        assert not await table.holdings.hold(late)
        assert await table.leases.of(ANN) is None

    async def test_and_its_lease_tell_when_an_avatar_was_started_last(self, table: Table) -> None:
        assert await table.holdings.last_start(MANAGER, MIRA) is None
        await table.held()
        start = LastStart(at=NOW, pid=42, start_time="2025-11-18T10:00:00")
        assert await table.holdings.last_start(MANAGER, MIRA) == start
        assert (await table.holdings.books()).starts == {(MANAGER, MIRA): start}


class TestACall:
    async def test_of_a_start_needs_its_claim(self, table: Table) -> None:
        lease = lease_of(ANN, LeaseNumber(1))
        assert await table.holdings.begin(start_of(lease), NOW) is None
        lease = lease_of(ANN, await table.claimed())
        begun = await table.holdings.begin(start_of(lease), NOW + 1)
        assert begun == replace(start_of(lease), since=NOW + 1)
        assert await table.calls() == [begun]

    async def test_is_begun_once(self, table: Table) -> None:
        lease = await table.held()
        pair = start_of(lease, CallKind.PAIR)
        assert await table.holdings.begin(pair, NOW)
        assert await table.holdings.begin(pair, NOW + 1) is None

    async def test_is_over_when_it_is_closed(self, table: Table) -> None:
        lease = await table.held()
        begun = await table.holdings.begin(start_of(lease, CallKind.PAIR), NOW)
        assert begun
        await table.holdings.close(begun)
        assert await table.calls() == []

    async def test_of_a_pair_stays_apart_from_the_stop_of_its_lease(self, table: Table) -> None:
        lease = await table.held()
        begun = await table.holdings.begin(start_of(lease, CallKind.PAIR), NOW)
        assert begun
        kept = LastStart(at=NOW + 5, pid=43, start_time=None)
        owed = await table.holdings.owe(begun, NOW + 5, kept)
        assert owed == replace(begun, state=CallState.OWED, since=NOW + 5)
        assert await table.holdings.last_start(MANAGER, MIRA) == kept
        stop = await table.holdings.drop(lease, NOW + 6, CallState.OPEN)
        assert set(await table.calls()) == {owed, stop}
        assert await table.holdings.begin(owed, NOW + 7)

    async def test_that_is_owed_is_taken_up_once(self, table: Table) -> None:
        lease = await table.held()
        owed = await table.holdings.drop(lease, NOW, CallState.OWED)
        assert owed == stop_of(lease, CallState.OWED)
        begun = [
            call
            for call in await asyncio.gather(*(table.holdings.begin(owed, NOW + 1) for _ in range(9)))
            if call
        ]
        assert begun == [stop_of(lease, CallState.OPEN, NOW + 1)] == await table.calls()

    async def test_changes_only_from_the_state_it_was_seen_in(self, table: Table) -> None:
        lease = await table.held()
        owed = await table.holdings.drop(lease, NOW, CallState.OWED)
        assert owed
        begun = await table.holdings.begin(owed, NOW + 1)
        assert begun
        await table.holdings.close(owed)
        await table.holdings.doubt(owed, NOW + 2)
        assert await table.holdings.owe(owed, NOW + 2) is None
        assert await table.calls() == [begun]
        await table.holdings.doubt(begun, NOW + 2)
        doubtful = stop_of(lease, CallState.DOUBTFUL, NOW + 2)
        assert await table.calls() == [doubtful]
        await table.holdings.close(doubtful)
        await table.holdings.doubt(doubtful, NOW + 3)
        assert await table.calls() == []

    async def test_that_counted_for_nothing_is_a_stop_that_is_owed(self, table: Table) -> None:
        call, lease = await table.doubted()
        await table.holdings.owe(call, NOW + 90)
        assert await table.calls() == [stop_of(lease, CallState.OWED, NOW + 90)]


class TestADoubtfulStart:
    async def test_may_become_the_lease(self, table: Table) -> None:
        call, lease = await table.doubted()
        assert call == replace(start_of(lease), state=CallState.DOUBTFUL, since=NOW + 60)
        assert await table.holdings.adopt(call, lease)
        assert await table.leases.of(ANN) == lease
        assert await table.calls() == []
        assert not await table.holdings.adopt(call, lease)

    async def test_is_not_wanted_after_a_new_claim(self, table: Table) -> None:
        call, lease = await table.doubted()
        number = await table.claimed()
        assert not await table.holdings.adopt(call, lease)
        await table.holdings.let_go(ANN, number)
        assert not await table.holdings.adopt(call, lease)
        assert await table.calls() == [call]

    async def test_is_not_wanted_by_who_has_left(self, table: Table) -> None:
        call, lease = await table.doubted()
        await table.holdings.give_up(ANN, NOW, CallState.OWED)
        assert not await table.holdings.adopt(call, lease)

    async def test_is_not_wanted_unless_it_was_said(self, table: Table) -> None:
        lease = lease_of(ANN, await table.claimed())
        begun = await table.holdings.begin(start_of(lease), NOW)
        assert begun
        await table.holdings.doubt(begun, NOW)
        await table.holdings.let_go(ANN, lease.number)
        assert not await table.holdings.adopt((await table.calls())[0], lease)

    async def test_of_who_has_lost_the_claim_is_not_wanted(self, table: Table) -> None:
        lease = lease_of(ANN, await table.claimed())
        begun = await table.holdings.begin(start_of(lease), NOW)
        assert begun
        await table.holdings.let_go(ANN, lease.number)
        await table.holdings.doubt(begun, NOW, wanted=True)
        assert not await table.holdings.adopt((await table.calls())[0], lease)


class TestLosing:
    async def test_leaves_nothing_but_the_stop(self, table: Table) -> None:
        lease = await table.held()
        await table.leases.capture(lease, RTC)
        stop = await table.holdings.drop(lease, NOW, CallState.OPEN)
        assert stop == stop_of(lease, CallState.OPEN)
        assert await table.calls() == [stop]
        assert await table.leases.of(ANN) is None
        assert await table.holdings.held(ANN) is None
        assert not await table.leases.renew(lease)
        assert await table.leases.current_rtc(lease) is None

    async def test_what_is_gone_owes_nothing(self, table: Table) -> None:
        assert await table.holdings.drop(await table.held(), NOW, None) is None
        assert (await table.holdings.books()).leases == []
        assert await table.calls() == []

    async def test_hits_only_the_current_lease(self, table: Table) -> None:
        old = await table.held()
        new = await table.held()
        assert await table.holdings.drop(old, NOW, CallState.OWED) is None
        assert await table.leases.of(ANN) == new
        assert await table.calls() == []

    async def test_happens_once(self, table: Table) -> None:
        lease = await table.held()
        stops = await asyncio.gather(
            *(table.holdings.drop(lease, NOW, CallState.OWED) for _ in range(9)),
            *(table.holdings.give_up(ANN, NOW, CallState.OWED) for _ in range(9)),
        )
        assert len([stop for stop in stops if stop]) == 1
        assert len(await table.calls()) == 1

    async def test_by_leaving_takes_whatever_is_held(self, brief: Table, time: Time) -> None:
        lease = await brief.held()
        await time.pass_(1.2)
        assert await brief.holdings.give_up(ANN, NOW, CallState.OWED) == stop_of(lease, CallState.OWED)
        assert await brief.holdings.held(ANN) is None
        assert await brief.holdings.give_up(BEN, NOW, CallState.OWED) is None


class TestCorrecting:
    async def test_moves_the_lease(self, table: Table) -> None:
        lease = await table.held()
        await table.leases.capture(lease, RTC)
        moved = replace(INSTANCE, port=8617, pid=77)
        assert await table.holdings.correct(lease, moved, NOW + 5)
        now = await table.leases.of(ANN)
        assert now == replace(lease, instance=moved, confirmed_at=NOW + 5)
        assert await table.leases.current_rtc(lease) is None  # of a process that is no more

    async def test_of_the_same_launch_keeps_its_sessions(self, table: Table) -> None:
        lease = await table.held()
        await table.leases.capture(lease, RTC)
        assert await table.holdings.correct(lease, replace(INSTANCE, connections=9, running=False), NOW + 5)
        assert await table.leases.current_rtc(lease) == RTC
        assert await table.leases.renew(lease, RTC)

    async def test_comes_too_late_for_another_lease_or_a_newer_look(self, table: Table) -> None:
        old = await table.held()
        lease = await table.held()
        assert not await table.holdings.correct(old, INSTANCE, NOW + 5)
        assert await table.holdings.correct(lease, INSTANCE, NOW + 5)
        assert not await table.holdings.correct(lease, replace(INSTANCE, port=1), NOW + 4)
        await table.holdings.drop(lease, NOW, None)
        assert not await table.holdings.correct(lease, INSTANCE, NOW + 9)
        assert await table.holdings.held(ANN) is None


class TestTheBooks:
    async def test_have_everything(self, table: Table) -> None:
        books = await table.holdings.books()
        assert (books.leases, books.lapsed, books.calls, books.starts) == ([], frozenset(), [], {})
        leases = [await table.held(), await table.held(BEN, replace(INSTANCE, avatar=OTTO))]
        stop = await table.holdings.drop(leases[0], NOW, CallState.OWED)
        books = await table.holdings.books()
        assert books.leases == [leases[1]]
        assert books.lapsed == frozenset()
        assert books.calls == [stop]
        assert books.starts.keys() == {(MANAGER, MIRA), (MANAGER, OTTO)}


class TestInRedis:
    def table(self, redis: Redis) -> Table:
        return Table(RedisAvatarLeases(redis, 100), RedisHoldings(redis, 100))

    async def test_a_lease_is_as_documented(self, redis: Redis) -> None:
        table = self.table(redis)
        lease = await table.held()
        await table.leases.capture(lease, RTC)
        raw = await redis.hget("avatar:user_mappings", "7")
        assert json.loads(raw or "") == {
            "avatar_id": "mira",
            "port": 8615,
            "instance_id": "mira_user_7",
            "timestamp": NOW,
            "host": "gpu",
            "manager": MANAGER,
            "pid": 42,
            "start_time": "2025-11-18T10:00:00",
            "gpu": 1,
            "connections": 2,
            "running": True,
            "confirmed": NOW,
            "number": lease.number,
        }
        assert await redis.get("avatar:lease:7") == str(lease.number).encode()
        assert await redis.get("sessionid:7") == b"123456"
        assert json.loads(await redis.hget("rtc:7", "123456") or "")["port"] == 8615
        for key in ("avatar:lease:7", "sessionid:7", "rtc:7"):
            assert 95 < await redis.ttl(key) <= 100
        await redis.expire("avatar:lease:7", 10)
        await redis.expire("rtc:7", 10)
        assert await table.leases.renew(lease, RTC)
        assert await redis.ttl("rtc:7") == await redis.ttl("avatar:lease:7") > 95

    async def test_a_claim_whose_holder_died_ends_by_itself(self, redis: Redis) -> None:
        table = self.table(redis)
        number = await table.claimed()
        assert await redis.get("avatar:lock:7") == str(number).encode()
        assert 85 < await redis.ttl("avatar:lock:7") <= 90
        await redis.delete("avatar:lock:7")
        assert not await table.holdings.hold(lease_of(ANN, number))

    async def test_numbers_grow_over_a_flush(self, redis: Redis) -> None:
        table = self.table(redis)
        before = [await table.claimed(UserId(user)) for user in range(1, 50)]
        assert before == sorted(set(before))
        await asyncio.sleep(0.01)
        await redis.flushdb()
        assert await table.claimed() > max(before)

    async def test_what_others_wrote_is_no_lease_and_goes(self, redis: Redis) -> None:
        table = self.table(redis)
        older = {"avatar_id": "mira", "port": 8615, "instance_id": "mira_user_7", "timestamp": 1.5}
        await redis.hset("avatar:user_mappings", "7", json.dumps(older))
        await redis.set("avatar:lease:7", "1")
        for field, raw in (("8", "{"), ("9", "null"), ("10", "[1]"), ("x", "{}"), ("11", "\xff")):
            await redis.hset("avatar:user_mappings", field, raw)
        await redis.hset("avatar:calls", "x", "{}")
        assert await table.leases.of(ANN) is None
        assert await table.leases.of(BEN) is None
        assert await table.holdings.held(ANN) is None
        assert await table.holdings.give_up(UserId(9), NOW, CallState.OWED) is None
        assert (await table.holdings.books()).leases == []
        assert await redis.keys("avatar:*") == [b"avatar:lease:7"]

    async def test_a_lease_without_its_mapping_is_none(self, redis: Redis) -> None:
        table = self.table(redis)
        lease = await table.held()
        await redis.delete("avatar:user_mappings")
        assert await table.leases.of(ANN) is None
        assert not await table.leases.renew(lease)


class TestTheKeeper:
    async def test_is_one_and_stays(self, redis: Redis) -> None:
        first, second = RedisKeeper(redis, "a"), RedisKeeper(redis, "b")
        for worker in ("a", "b"):
            await redis.set(f"worker:{worker}", 1)
        assert [await first.is_ours(), await second.is_ours(), await first.is_ours()] == [True, False, True]

    async def test_is_followed_when_it_is_dead(self, redis: Redis) -> None:
        first, second = RedisKeeper(redis, "a"), RedisKeeper(redis, "b")
        await redis.set("worker:b", 1)
        assert await first.is_ours()
        assert await second.is_ours()
        assert not await first.is_ours()


async def test_an_outage_is_said(kind: str, no_redis: Redis) -> None:
    table = table_of(kind, no_redis, ToldTime(), 100)
    if isinstance(table.holdings, FakeAvatarLeases):
        table.holdings.down = True
    leases, holdings = table.leases, table.holdings
    lease = lease_of(ANN, LeaseNumber(1))
    call = start_of(lease)
    asked: list[Awaitable[object]] = [
        leases.of(ANN),
        leases.renew(lease),
        leases.capture(lease, RTC),
        leases.select(ANN, RTC),
        leases.current_rtc(lease),
        leases.forget_rtc(lease, RTC),
        holdings.claim(ANN),
        holdings.let_go(ANN, lease.number),
        holdings.held(ANN),
        holdings.hold(lease),
        holdings.last_start(MANAGER, MIRA),
        holdings.begin(call, NOW),
        holdings.close(call),
        holdings.doubt(call, NOW),
        holdings.owe(call, NOW),
        holdings.adopt(call, lease),
        holdings.drop(lease, NOW, None),
        holdings.give_up(ANN, NOW, CallState.OWED),
        holdings.correct(lease, INSTANCE, NOW),
        holdings.books(),
    ]
    for ask in asked:
        with pytest.raises(StorageUnavailable):
            await ask
