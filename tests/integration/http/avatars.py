"""A house whose avatars are managed by servers of the tests, and who waits for them only briefly."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from dishka import Provider, Scope
from redis import Redis

from adapters.http.avatar_manager import AvatarManagers
from application.ports.avatar_pool import AvatarPool
from tests.integration.house import House, User, a_house
from tests.servers.avatar_manager import LOOKS, AvatarManagerServer
from tests.servers.live_server import MIRA, LiveServerServer
from tests.servers.llm_service import LlmServiceServer

START_S, DISCONNECT_S, LIST_S = 0.6, 0.3, 0.5


@dataclass
class Gallery:
    house: House
    manager: AvatarManagerServer
    live: LiveServerServer

    async def start(self, user: User, name: str = "mira") -> httpx.Response:
        return await user.post("/api/avatar/start", data={"avatar_name": name})

    async def until_counted(self, **counts: int) -> None:
        await self.manager.until(lambda: self.manager.counts == counts, within=20)

    async def well(self) -> None:
        """Nothing runs, nothing is slow or wrong, and nothing was asked."""
        self.manager.faults.clear()
        self.live.faults.clear()
        self.manager.start_s, self.manager.limit = 0.0, 5
        await self.manager.lose()
        self.manager.received.clear()
        self.live.received.clear()


def mapping(redis: Redis, user: int = 1) -> dict[str, object] | None:
    """What the user holds."""
    raw = redis.hget("avatar:user_mappings", str(user))
    return json.loads(raw) if raw else None


def impatient(*managers: str) -> Provider:
    provider = Provider(scope=Scope.APP)

    def pool(http: httpx.AsyncClient) -> AvatarPool:
        return AvatarManagers(
            http, managers, base_port=8615, start_s=START_S, disconnect_s=DISCONNECT_S, list_s=LIST_S
        )

    provider.provide(pool, provides=AvatarPool, override=True)
    return provider


@asynccontextmanager
async def a_gallery(folder: Path, redis_url: str, llm: LlmServiceServer) -> AsyncIterator[Gallery]:
    async with AsyncExitStack() as stack:
        manager = await stack.enter_async_context(AvatarManagerServer())
        live = await stack.enter_async_context(LiveServerServer())
        live.avatars = dict.fromkeys(LOOKS, MIRA)
        environ = {
            "REDIS_URL": redis_url,
            "LLM_URL": llm.url,
            "AVATAR_MANAGER_URL": manager.url,
            "LIVE_SERVER_URL": live.url,
        }
        house = await stack.enter_async_context(a_house(folder, impatient(manager.url), **environ))
        yield Gallery(house, manager, live)
