"""The Avatar Manager protocol with its quirks: `python -m tests.servers.avatar_manager --port 8607`."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from typing_extensions import override

from tests.servers.http import Exchange, HttpServer, Received, run

LOOKS = ("mira", "otto", "lena", "test_yongen", "avatar_5", "avatar_6")
FULL, NO_PORT = "已达到最大限制: 5", "无可用端口"


@dataclass(slots=True)
class Process:
    """What runs for one avatar, for whoever has started it."""

    avatar_id: str  # as the first one called it
    port: int
    pid: int
    server: HttpServer | None
    connections: int = 0
    running: bool = True
    started: datetime = field(default_factory=lambda: datetime.now(UTC))


class AvatarManagerServer(HttpServer):
    """Counts starts and disconnects and never looks at who watches. Starts are made one after another, each
    in `start_s`, and a caller who has left changes nothing. With `instance`, each process is such a server
    at a port of its own; without, the port is only a number."""

    def __init__(
        self,
        port: int = 0,
        *,
        names: Sequence[str] = LOOKS,
        limit: int = 5,
        instance: Callable[[], HttpServer] | None = None,
    ) -> None:
        super().__init__(port)
        self.names = list(names)
        self.limit = limit
        self.processes: dict[str, Process] = {}
        self.most = 0  # processes at a time
        self.start_s = 0.0
        self.end_s = 0.0
        self.secret = ""  # requests must bring it, if there is one
        self._instance = instance
        self._ports, self._pids = count(8615), count(1000)
        self._lock = asyncio.Lock()
        self._going_on: set[asyncio.Task[tuple[int, dict[str, object]]]] = set()

    @property
    def counts(self) -> dict[str, int]:
        return {name: process.connections for name, process in self.processes.items()}

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        if self.secret and request.headers.get("x-avatar-secret") != self.secret:
            return await exchange.json(403, {"status": "error", "message": "forbidden"})
        match request.method, request.path.split("/")[1:]:
            case "GET", ["health"]:
                await exchange.json(200, {"status": "healthy", "service": "avatar-manager"})
            case "POST", ["avatar", ("start" | "disconnect" as what)]:
                status, answer = await self._done(what, request)
                await exchange.json(status, answer)
            case "GET", ["avatar", "list"]:
                infos = [self._info(name) for name in self.processes]
                await exchange.json(200, {"status": "success", "count": len(infos), "data": infos})
            case "GET", ["avatar", "info", id]:
                name = next((n for n, p in self.processes.items() if id in (n, p.avatar_id)), None)
                if name is None:
                    return await exchange.json(404, {"status": "error", "message": f"找不到 {id}"})
                await exchange.json(200, {"status": "success", "data": self._info(name)})
            case "GET", ["status"]:
                manager = {"max_instances": self.limit, "running": len(self.processes)}
                await exchange.json(200, {"status": "success", "data": {"manager": manager, "gpu": []}})
            case _:
                await exchange.page(404, "Not Found")

    async def crash(self, name: str) -> None:
        """It is down, and still listed."""
        process = self.processes[name]
        process.running = False
        await self._close(process)

    async def relaunch(self, name: str) -> None:
        """What the health loop does with one that crashed: another process and port, the same count."""
        old = self.processes[name]
        await self._close(old)
        await self._launch(name, old.avatar_id, old.connections)

    async def lose(self, *names: str) -> None:
        """They are gone, as if never started; without names, all of them."""
        for name in names or list(self.processes):
            await self._close(self.processes.pop(name))

    @override
    async def __aexit__(self, *exception: object) -> None:
        for task in self._going_on:
            task.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)
        await self.lose()
        await super().__aexit__(*exception)

    async def _done(self, what: str, request: Received) -> tuple[int, dict[str, object]]:
        """To its end, whether or not somebody still waits for it."""
        body = request.json()
        doing = self._start(body) if what == "start" else self._disconnect(body)
        task = asyncio.create_task(doing)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return await asyncio.shield(task)

    async def _start(self, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        name = body.get("avatar_name") or body.get("avatar_id", "").partition("_user_")[0]
        if not body.get("avatar_id"):
            return refusal("缺少参数: avatar_id")
        if name not in self.names:
            return refusal(f"Avatar 不存在: {name}")
        async with self._lock:
            await asyncio.sleep(self.start_s)
            if name not in self.processes:
                if len(self.processes) >= self.limit:
                    return refusal(FULL)
                await self._launch(name, body["avatar_id"], 0)
            self.processes[name].connections += 1
            return 200, {"status": "success", "message": "启动成功", "data": self._info(name)}

    async def _disconnect(self, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        name = body.get("avatar_name") or body.get("avatar_id", "").partition("_user_")[0]
        process = self.processes.get(name)
        if process is None:
            return refusal(f"Avatar 未运行: {name}")
        process.connections -= 1
        if process.connections <= 0:
            del self.processes[name]
            await self._close(process)
            await asyncio.sleep(self.end_s)
        return 200, {"status": "success", "message": "已断开"}

    async def _launch(self, name: str, avatar_id: str, connections: int) -> None:
        port, server = next(self._ports), None
        if self._instance is not None:
            server = await self._instance().__aenter__()
            port = server.port
        self.processes[name] = Process(avatar_id, port, next(self._pids), server, connections)
        self.most = max(self.most, len(self.processes))

    @staticmethod
    async def _close(process: Process) -> None:
        if process.server is not None:
            server, process.server = process.server, None
            await server.__aexit__()

    def _info(self, name: str) -> dict[str, object]:
        process = self.processes[name]
        return {
            "avatar_id": process.avatar_id,
            "real_avatar_name": name,
            "port": process.port,
            "gpu": 0,
            "pid": process.pid,
            "running": process.running,
            "start_time": process.started.isoformat(),
            "uptime_seconds": (datetime.now(UTC) - process.started).total_seconds(),
            "webrtc_url": f"http://localhost:{process.port}/offer",
            "connections": process.connections,
        }


def refusal(message: str) -> tuple[int, dict[str, object]]:
    return 400, {"status": "error", "message": message}


if __name__ == "__main__":
    run(lambda port: AvatarManagerServer(port))
