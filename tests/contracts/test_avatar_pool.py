"""What every AvatarPool promises, asked of the fake and of the adapter against real managers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from adapters.http.avatar_manager import AvatarManagers
from application.ports.avatar_pool import (
    AvatarPool,
    PoolBusy,
    PoolFailed,
    PoolRefused,
    PoolTimeout,
    PoolUnreachable,
)
from application.tasks import ended
from domain.avatar import AvatarName
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.avatar_pool import FakeAvatarPool
from tests.servers.avatar_manager import FULL, NO_PORT, AvatarManagerServer
from tests.servers.http import Fault
from tests.transports import TRANSPORTS, client_over

ANN, BEN = UserId(7), UserId(8)
MIRA, OTTO, LENA, NOBODY = AvatarName("mira"), AvatarName("otto"), AvatarName("lena"), AvatarName("nobody")


@dataclass
class Subject:
    pool: AvatarPool
    relaunch: Callable[[str], Awaitable[object]]
    crash: Callable[[str], Awaitable[object]]

    @property
    def manager(self) -> str:
        return self.pool.managers[0]

    async def counts(self, manager: str = "") -> dict[AvatarName, int | None]:
        found = await self.pool.running(manager or self.manager)
        return {instance.avatar: instance.connections for instance in found}


async def faked() -> Subject:
    pool = FakeAvatarPool(managers=("http://a", "http://b"), limit=2, unknown=frozenset({NOBODY}))

    async def relaunch(name: str) -> None:
        pool.relaunch(AvatarName(name), "http://a")

    async def crash(name: str) -> None:
        pool.crash(AvatarName(name), "http://a")

    return Subject(pool, relaunch, crash)


@asynccontextmanager
async def served(transport: str) -> AsyncIterator[Subject]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(AvatarManagerServer(limit=2)) for _ in range(2)]
        client = await stack.enter_async_context(client_over(transport))
        pool = AvatarManagers(client, [server.url for server in servers])
        yield Subject(pool, servers[0].relaunch, servers[0].crash)


@pytest.fixture(params=["fake", *TRANSPORTS])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "fake":
        yield await faked()
        return
    async with served(request.param) as made:
        yield made


class TestAnyPool:
    async def test_counts_starts_and_disconnects(self, subject: Subject) -> None:
        pool, manager = subject.pool, subject.manager
        first = await pool.start(manager, ANN, MIRA)
        second = await pool.start(manager, BEN, MIRA)
        assert (first.connections, second.connections) == (1, 2)
        assert (first.avatar, first.manager) == (MIRA, manager)
        assert first.same_launch(second)
        await pool.disconnect(manager, MIRA)
        assert await subject.counts() == {MIRA: 1}
        await pool.disconnect(manager, MIRA)
        assert await subject.counts() == {}
        await pool.disconnect(manager, MIRA)  # it stays so

    async def test_lists_what_was_started(self, subject: Subject) -> None:
        started = await subject.pool.start(subject.manager, ANN, MIRA)
        assert await subject.pool.running(subject.manager) == [started]
        await subject.crash("mira")
        [down] = await subject.pool.running(subject.manager)
        assert not down.running
        await subject.relaunch("mira")
        [moved] = await subject.pool.running(subject.manager)
        assert moved.running
        assert moved.port != started.port
        assert not moved.same_launch(started)

    async def test_says_when_it_is_full(self, subject: Subject) -> None:
        await subject.pool.start(subject.manager, ANN, MIRA)
        await subject.pool.start(subject.manager, ANN, OTTO)
        with pytest.raises(PoolBusy):
            await subject.pool.start(subject.manager, ANN, LENA)
        await subject.pool.start(subject.manager, BEN, OTTO)  # which takes no place
        assert await subject.counts() == {MIRA: 1, OTTO: 2}

    async def test_refuses_what_it_does_not_have(self, subject: Subject) -> None:
        with pytest.raises(PoolRefused):
            await subject.pool.start(subject.manager, ANN, NOBODY)
        assert await subject.counts() == {}

    async def test_places_an_avatar_where_it_runs_then_where_there_is_room(self, subject: Subject) -> None:
        first, second = subject.pool.managers
        await subject.pool.start(first, ANN, MIRA)
        assert await subject.pool.order(OTTO) == [second, first]
        assert await subject.pool.order(MIRA) == [first, second]
        await subject.pool.start(second, ANN, OTTO)
        await subject.pool.start(second, ANN, LENA)
        assert await subject.pool.order(AvatarName("avatar_5")) == [first, second]

    async def test_asks_nobody_but_its_managers(self, subject: Subject) -> None:
        strange = "http://127.0.0.1:9"
        for ask in (
            subject.pool.start(strange, ANN, MIRA),
            subject.pool.disconnect(strange, MIRA),
            subject.pool.running(strange),
            subject.pool.check(strange),
        ):
            with pytest.raises(PoolUnreachable):
                await ask

    async def test_can_be_checked(self, subject: Subject) -> None:
        await subject.pool.check(subject.manager)


@dataclass
class Wire:
    server: AvatarManagerServer
    pool: AvatarManagers

    async def every_call(self, of: type[DomainError], start: type[DomainError] | None = None) -> None:
        url = self.server.url
        with pytest.raises(start or of):
            await self.pool.start(url, ANN, MIRA)
        for ask in (self.pool.disconnect(url, MIRA), self.pool.running(url), self.pool.check(url)):
            with pytest.raises(of):
                await ask


@pytest.fixture(params=TRANSPORTS)
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with AvatarManagerServer() as server, client_over(request.param) as client:
        yield Wire(server, AvatarManagers(client, [server.url], start_s=0.8, disconnect_s=0.8, list_s=0.8))


def answered(value: object, status: int = 200, **headers: str) -> Fault:
    return Fault(status=status, body=json.dumps(value, ensure_ascii=False).encode(), headers=headers)


INFO: dict[str, object] = {"port": 8615}


@dataclass
class Odd:
    """An instance as some manager describes it, and what we make of it."""

    info: dict[str, object]
    expected: dict[str, object] = field(default_factory=dict)


class TestOnTheWire:
    async def test_a_start_is_as_the_protocol_says(self, wire: Wire) -> None:
        await wire.pool.start(wire.server.url, ANN, MIRA)
        [request] = wire.server.received
        assert (request.method, request.path) == ("POST", "/avatar/start")
        assert request.json() == {"avatar_id": "mira_user_7", "avatar_name": "mira"}
        assert "x-avatar-secret" not in request.headers
        assert "authorization" not in request.headers

    async def test_a_disconnect_names_the_avatar_and_no_user(self, wire: Wire) -> None:
        await wire.pool.disconnect(wire.server.url, MIRA)
        assert wire.server.received[0].json() == {"avatar_name": "mira"}

    async def test_our_own_one_is_told_the_secret(self, wire: Wire) -> None:
        wire.server.secret = "of this launch"
        pool = AvatarManagers(wire.pool.client, [wire.server.url], secret="of this launch")
        assert (await pool.start(wire.server.url, ANN, MIRA)).connections == 1
        assert await pool.running(wire.server.url)
        await pool.check(wire.server.url)
        assert "of this launch" not in repr(pool)
        with pytest.raises(PoolRefused):
            await wire.pool.start(wire.server.url, ANN, MIRA)

    @pytest.mark.parametrize("message", [FULL, NO_PORT, "启动失败: 无可用端口!"])
    async def test_its_words_for_being_full_are_understood(self, wire: Wire, message: str) -> None:
        wire.server.faults["*"] = answered({"status": "error", "message": message}, 400)
        with pytest.raises(PoolBusy) as refused:
            await wire.pool.start(wire.server.url, ANN, MIRA)
        assert refused.value.retry_after is None
        assert refused.value.msg == "All avatars are busy. Please try again later."

    @pytest.mark.parametrize("status", [400, 429, 503])
    async def test_how_long_to_wait_is_passed_on(self, wire: Wire, status: int) -> None:
        told = {"status": "error", "message": FULL}
        wire.server.faults["*"] = answered(told, status, **{"retry-after": "7"})
        with pytest.raises(PoolBusy) as refused:
            await wire.pool.start(wire.server.url, ANN, MIRA)
        assert refused.value.retry_after == 7

    @pytest.mark.parametrize("status", [400, 404, 422, 200])
    async def test_any_other_no_is_a_refusal(self, wire: Wire, status: int) -> None:
        wire.server.faults["*"] = answered({"status": "error", "message": "启动失败 /home/x"}, status)
        with pytest.raises(PoolRefused) as refused:
            await wire.pool.start(wire.server.url, ANN, MIRA)
        assert refused.value.msg == "Avatar could not be started"

    @pytest.mark.parametrize(
        "odd",
        [
            Odd({"port": 8615}),
            Odd({"port": "8615"}),
            Odd({**INFO, "pid": "x", "gpu": [], "connections": -1, "start_time": {}}),
            Odd({**INFO, "pid": 5, "gpu": 0, "connections": 2}, {"pid": 5, "gpu": 0, "connections": 2}),
            Odd({**INFO, "gpu": None, "connections": True, "start_time": 17.5}, {"start_time": "17.5"}),
            Odd({**INFO, "avatar_id": "otto_user_9", "real_avatar_name": "otto", "host": "evil"}),
        ],
        ids=lambda odd: str(odd.info),
    )
    async def test_everything_but_the_port_may_be_missing_or_odd(self, wire: Wire, odd: Odd) -> None:
        wire.server.faults["*"] = answered({"status": "success", "data": odd.info})
        found = await wire.pool.start(wire.server.url, ANN, MIRA)
        known = {name: getattr(found, name) for name in ("pid", "gpu", "connections", "start_time")}
        nothing: dict[str, object] = dict.fromkeys(known)
        assert known == nothing | odd.expected
        assert (found.avatar, found.host, found.port, found.running) == (MIRA, "127.0.0.1", 8615, True)

    @pytest.mark.parametrize("port", [None, 0, -1, 22, 8614, 65536, 8615.5, "x", "86 15", [], True, 10**30])
    async def test_a_port_that_no_instance_has_is_no_answer(self, wire: Wire, port: object) -> None:
        pool = AvatarManagers(wire.pool.client, [wire.server.url], base_port=8615)
        wire.server.faults["*"] = answered({"status": "success", "data": {"port": port}})
        with pytest.raises(PoolFailed):
            await pool.start(wire.server.url, ANN, MIRA)

    async def test_instances_are_where_the_settings_say(self, wire: Wire) -> None:
        pool = AvatarManagers(wire.pool.client, [wire.server.url], host="gpu.school.org")
        assert (await pool.start(wire.server.url, ANN, MIRA)).host == "gpu.school.org"

    async def test_a_list_is_read_as_far_as_it_makes_sense(self, wire: Wire) -> None:
        infos: Sequence[object] = [
            {"avatar_id": "mira_user_12", "port": 8615},
            {"real_avatar_name": "otto", "port": 8616, "avatar_id": "x"},
            {"real_avatar_name": "lena", "running": False, "port": None},
            {"real_avatar_name": "../x", "port": 8617},
            {"real_avatar_name": "a; rm", "port": 8617},
            {"port": 8618},
            {"real_avatar_name": "late"},
            7,
            None,
        ]
        wire.server.faults["*"] = answered({"status": "success", "data": infos})
        found = await wire.pool.running(wire.server.url)
        assert [(one.avatar, one.running) for one in found] == [
            ("mira", True),
            ("otto", True),
            ("lena", False),
        ]

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=200, body=b"<html>proxy</html>", content_type="text/html"),
            Fault(status=200, body=b""),
            Fault(status=200, body=b"[]"),
            Fault(status=200, body=b"null"),
            Fault(status=200, body=b'{"status":"success"}'),
            Fault(status=200, body=b'{"status":"success","data":null}'),
            Fault(status=200, body=b'{"status":"success","data":[7]}'),
            Fault(status=500, body=b'{"status":"error","message":"Traceback"}'),
            Fault(status=502, body=b"<html>bad gateway</html>", content_type="text/html"),
            Fault(status=404, body=b"<html>not found</html>", content_type="text/html"),
            Fault(status=302, headers={"location": "http://127.0.0.1:1/"}, body=b"{}"),
            Fault(status=200, body=b"{}", headers={"content-encoding": "gzip"}),
            Fault(status=200, body=b'"' + b"x" * (1 << 20) + b'"'),
        ],
        ids=lambda fault: f"{fault.status} {fault.body[:40]!r}",
    )
    async def test_an_answer_that_makes_no_sense_leaves_it_open(self, wire: Wire, fault: Fault) -> None:
        wire.server.faults["*"] = fault
        if fault.status == 302:
            with pytest.raises((PoolFailed, PoolRefused)):
                await wire.pool.start(wire.server.url, ANN, MIRA)
        else:
            with pytest.raises(PoolFailed) as refused:
                await wire.pool.start(wire.server.url, ANN, MIRA)
            assert refused.value.msg == "Invalid JSON response from Avatar Manager"
        with pytest.raises(PoolFailed):
            await wire.pool.running(wire.server.url)

    async def test_a_disconnect_that_the_manager_cannot_make_is_over(self, wire: Wire) -> None:
        wire.server.faults["*"] = answered({"status": "error", "message": "未运行"}, 400)
        await wire.pool.disconnect(wire.server.url, MIRA)

    async def test_slow_is_open(self, wire: Wire) -> None:
        wire.server.faults["*"] = Fault(hang=True)
        pool = AvatarManagers(wire.pool.client, [wire.server.url], start_s=0.1, disconnect_s=0.1, list_s=0.1)
        for ask in (
            pool.start(wire.server.url, ANN, MIRA),
            pool.disconnect(wire.server.url, MIRA),
            pool.running(wire.server.url),
        ):
            with pytest.raises(PoolTimeout):
                await ask

    async def test_a_cut_line_is_open(self, wire: Wire) -> None:
        wire.server.faults["*"] = Fault(reset=True)
        await wire.every_call(PoolFailed)

    async def test_one_that_is_down_has_heard_nothing(self, wire: Wire) -> None:
        await wire.server.__aexit__()
        try:
            await wire.every_call(PoolUnreachable)
        finally:
            await wire.server.__aenter__()

    async def test_one_that_is_too_busy_has_done_nothing(self, wire: Wire) -> None:
        wire.server.faults["*"] = Fault(status=503, body=b"{}")
        await wire.every_call(PoolUnreachable, start=PoolBusy)

    async def test_a_late_start_counts_all_the_same(self, wire: Wire) -> None:
        wire.server.start_s = 1.5
        with pytest.raises(PoolTimeout):
            await wire.pool.start(wire.server.url, ANN, MIRA)
        await wire.server.until(lambda: wire.server.counts == {"mira": 1})

    async def test_a_flood_of_starts_does_not_pile_up(self, wire: Wire) -> None:
        wire.server.faults["*"] = Fault(hang=True)
        pool = AvatarManagers(wire.pool.client, [wire.server.url])
        starts = [asyncio.create_task(pool.start(wire.server.url, UserId(n), MIRA)) for n in range(1, 200)]
        try:
            await wire.server.until(lambda: len(wire.server.asked("/avatar/start")) == 64, within=30)
            refused = [type(start.exception()) for start in starts if start.done()]
            assert refused == [PoolBusy] * (199 - 64)
        finally:
            await ended(*starts)

    async def test_silent_managers_come_last(self, wire: Wire) -> None:
        async with AvatarManagerServer() as other:
            pool = AvatarManagers(wire.pool.client, [wire.server.url, other.url], list_s=0.1)
            await pool.start(other.url, ANN, OTTO)
            wire.server.faults["/avatar/list"] = Fault(hang=True)
            assert await pool.order(MIRA) == [other.url, wire.server.url]
