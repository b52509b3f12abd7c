"""Many users, several workers, one small pool: whatever happens at once, managers count what is held."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from adapters.clock import SystemClock
from adapters.http.avatar_manager import AvatarManagers
from adapters.redis.avatar_holdings import RedisHoldings
from adapters.redis.avatar_keeper import RedisKeeper
from adapters.redis.avatar_leases import RedisAvatarLeases
from adapters.redis.client import connect
from application.avatars.confirm import ConfirmLease, UseLease
from application.avatars.disconnect import DisconnectAvatar
from application.avatars.reap import ReapLapsed
from application.avatars.reconcile import ReconcileLeases
from application.avatars.release import ReleaseAvatar
from application.avatars.settle_calls import SettleCalls
from application.avatars.start import StartAvatar
from application.ports.avatar_pool import PoolBusy, PoolRefused, PoolTimeout
from application.tasks import ended
from domain.avatar import AvatarName, NoAvatar, RtcSession
from domain.errors import DomainError, StorageUnavailable
from domain.user import UserId
from tests.conftest import Valkey
from tests.fakes.avatar_catalogue import FakeAvatarCatalogue
from tests.fakes.speech_floor import nobody_speaks
from tests.integration.waiting import until
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.http import Fault
from tests.transports import client_over

NAMES = [AvatarName(f"avatar-{n}") for n in range(8)]
USERS = [UserId(n) for n in range(1, 101)]
BACK_S = 20.0  # a few tenths alone; the machine may be busy


@dataclass
class Worker:
    """One process's share: connections of its own, nothing in memory that the others do not know."""

    id: str
    redis: Redis
    pool: AvatarManagers
    clock: SystemClock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        leases, holdings = RedisAvatarLeases(self.redis, 1800), RedisHoldings(self.redis, 1800)
        keeper, pool, clock = RedisKeeper(self.redis, self.id), self.pool, self.clock
        self.leases, self.holdings = leases, holdings
        confirm = ConfirmLease(pool=pool, holdings=holdings, clock=clock)
        self.use = UseLease(leases=leases, confirm=confirm)
        self.start = StartAvatar(
            leases=leases,
            claims=holdings,
            calls=holdings,
            holdings=holdings,
            pool=pool,
            catalogue=FakeAvatarCatalogue(),
            confirm=confirm,
            clock=clock,
        )
        self.disconnect = DisconnectAvatar(holdings=holdings, calls=holdings, pool=pool, clock=clock)
        self.release = ReleaseAvatar(holdings=holdings, hush=nobody_speaks, clock=clock)
        self.reap = ReapLapsed(keeper=keeper, holdings=holdings, calls=holdings, pool=pool, clock=clock)
        self.reconcile = ReconcileLeases(keeper=keeper, holdings=holdings, pool=pool, clock=clock)
        self.settle = SettleCalls(
            keeper=keeper,
            holdings=holdings,
            calls=holdings,
            pool=pool,
            clock=clock,
            abandoned_s=3.0,
            queued_s=1.5,
            awaited_s=3.0,
        )

    async def look_after(self) -> None:
        while True:
            await self.redis.set(f"worker:{self.id}", 1, ex=2)
            await self.settle(self.pool.managers[0])
            await self.reap()
            await self.reconcile(self.pool.managers[0])
            await asyncio.sleep(0.1)


@dataclass
class Crowd:
    manager: AvatarManagerServer
    workers: list[Worker]

    async def start(self, number: int, user: UserId, avatar: AvatarName) -> object:
        try:
            return await self.workers[number % len(self.workers)].start(user, avatar)
        except DomainError as error:
            return error

    async def held(self) -> Counter[str]:
        """How many hold each avatar; nothing may be under way."""
        books = await self.workers[0].holdings.books()
        assert len({lease.user for lease in books.leases}) == len(books.leases)
        return Counter(lease.avatar for lease in books.leases)

    async def is_even(self) -> bool:
        books = await self.workers[0].holdings.books()
        return not books.calls and await self.held() == Counter(self.manager.counts)


@asynccontextmanager
async def a_crowd(valkey: Valkey, start_s: float = 10.0) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        manager = await stack.enter_async_context(AvatarManagerServer(names=NAMES, limit=5))
        workers = []
        for number in range(4):
            redis = await stack.enter_async_context(connect(f"{valkey.url}?db=3", answer_s=10))
            client = await stack.enter_async_context(client_over("lean"))
            pool = AvatarManagers(client, (manager.url,), start_s=start_s, disconnect_s=1.0, list_s=1.0)
            workers.append(Worker(f"w{number}", redis, pool))
        await workers[0].redis.flushdb()
        tasks = [asyncio.create_task(worker.look_after()) for worker in workers]
        try:
            yield Crowd(manager, workers)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await ended(*tasks)


@pytest.fixture
async def crowd(valkey: Valkey) -> AsyncIterator[Crowd]:
    async with a_crowd(valkey) as made:
        yield made


async def test_500_starts_by_100_users_at_4_workers(crowd: Crowd) -> None:
    crowd.manager.start_s = 0.002
    wishes = [(user, NAMES[(user + n) % len(NAMES)]) for n in range(5) for user in USERS]
    random.Random(7).shuffle(wishes)
    found = await asyncio.gather(*(crowd.start(n, *wish) for n, wish in enumerate(wishes)))

    refusals = [type(one) for one in found if isinstance(one, Exception)]
    assert set(refusals) <= {PoolBusy, PoolTimeout, StorageUnavailable}  # the others: too busy just then
    await until(crowd.is_even, 20)
    assert crowd.manager.most <= 5
    assert 0 < sum((await crowd.held()).values()) <= 100


async def test_starts_disconnects_and_departures_at_random(crowd: Crowd) -> None:
    chance = random.Random(11)

    async def act(number: int) -> None:
        user, worker = chance.choice(USERS[:30]), crowd.workers[number % 4]
        await asyncio.sleep(chance.random() * 2)
        match chance.randrange(4):
            case 0:
                await worker.disconnect(user)
            case 1:
                await worker.release(user)
            case _:
                found = await crowd.start(number, user, chance.choice(NAMES[:4]))
                assert not isinstance(found, DomainError) or isinstance(found, PoolRefused)

    await asyncio.gather(*(act(number) for number in range(300)))
    await until(crowd.is_even, 20)


async def test_a_manager_that_is_slow_and_cut_off_at_random(valkey: Valkey) -> None:
    chance = random.Random(13)
    async with a_crowd(valkey, start_s=0.25) as crowd:
        manager = crowd.manager

        async def trouble() -> None:
            while True:
                manager.start_s = chance.choice([0.0, 0.0, 0.01, 0.4])
                for path in ("/avatar/start", "/avatar/disconnect", "/avatar/list"):
                    fault = chance.choice([None, None, None, Fault(reset=True), Fault(status=503, body=b"")])
                    manager.faults.pop(path, None)
                    if fault:
                        manager.faults[path] = fault
                await asyncio.sleep(0.05)

        troubles = asyncio.create_task(trouble())

        async def act(number: int) -> None:
            await asyncio.sleep(chance.random() * 4)
            user = chance.choice(USERS[:20])
            if number % 4:
                await crowd.start(number, user, chance.choice(NAMES[:3]))
            else:
                await crowd.workers[number % 4].release(user)

        await asyncio.gather(*(act(number) for number in range(80)))
        await ended(troubles)
        manager.faults.clear()
        manager.start_s = 0.0
        await until(crowd.is_even, 30)


async def test_everybody_is_back_soon_after_an_instance_was_killed(crowd: Crowd) -> None:
    for number, user in enumerate(USERS[:40]):
        await crowd.start(number, user, NAMES[0])
    held = {user: await crowd.workers[0].leases.of(user) for user in USERS[:40]}
    for user, lease in held.items():
        assert lease
        await crowd.workers[0].leases.capture(lease, RtcSession(100_000 + user))

    await crowd.manager.crash(NAMES[0])
    for user, lease in held.items():  # who is refused there finds out that it is down
        found = await crowd.workers[user % 4].use(user, doubted=lease)
        assert not found.instance.running
        if user > 5:
            break
    await crowd.manager.relaunch(NAMES[0])
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def back(user: UserId) -> None:
        lease = held[user]
        found = await crowd.workers[user % 4].use(user, doubted=lease)
        while found.instance.port != crowd.manager.processes[NAMES[0]].port:
            await asyncio.sleep(0.05)
            found = await crowd.workers[user % 4].use(user, doubted=found)
        assert await crowd.workers[0].leases.current_rtc(found) is None

    await asyncio.gather(*(back(user) for user in held))
    assert loop.time() - began < BACK_S
    assert await crowd.is_even()


async def test_a_lost_pool_loses_its_leases(crowd: Crowd) -> None:
    for number, user in enumerate(USERS[:10]):
        await crowd.start(number, user, NAMES[number % 3])
    lease = await crowd.workers[0].leases.of(USERS[0])
    await crowd.manager.lose()  # it was restarted, and knows of nothing
    with pytest.raises(NoAvatar):
        await crowd.workers[1].use(USERS[0], doubted=lease)
    assert await crowd.start(1, USERS[0], NAMES[0])
    assert crowd.manager.counts == {NAMES[0]: 1}


async def test_the_next_worker_takes_over_when_one_dies(valkey: Valkey) -> None:
    async with a_crowd(valkey) as crowd:
        redis = crowd.workers[0].redis

        async def keeper() -> bytes | str | None:
            return await redis.get("avatar:keeper")

        await until(keeper)
        await redis.set("avatar:keeper", "dead")
        await crowd.start(0, USERS[0], NAMES[0])
        await crowd.workers[1].release(USERS[0])
        await until(crowd.is_even)
        assert await keeper() != b"dead"
