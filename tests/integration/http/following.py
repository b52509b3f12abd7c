"""Readers of a reply that come back for the rest, and two workers between which they may choose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from dishka import Provider
from redis import Redis

from tests.integration.house import House, Told, User, running, settings_for
from tests.migrated import migrated

Workers = tuple[House, House]


@asynccontextmanager
async def two_workers(
    folder: Path, redis_url: str, *overrides: Provider, **environ: str
) -> AsyncIterator[Workers]:
    """Two servers of one new installation."""
    environ["REDIS_URL"] = redis_url
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    settings = settings_for(folder, **environ)
    await asyncio.to_thread(migrated, settings.sqlalchemy_url)
    async with running(settings, *overrides) as one, running(settings, *overrides) as other:
        yield one, other


def at(worker: House, user: User) -> User:
    """The same person at another worker."""
    return User(worker, user.token)


@dataclass(slots=True)
class Following:
    """A stream that is being read: `told` grows."""

    response: httpx.Response
    told: Told
    _pieces: AsyncIterator[bytes] = field(init=False)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        self._pieces = self.response.aiter_raw()

    async def until(self, events: int) -> "Following":
        """Until so many events have come in all."""
        while len(self.told.events) < events:
            self._take(await anext(self._pieces))
        return self

    async def to_the_end(self) -> Told:
        async for piece in self._pieces:
            self._take(piece)
        assert not self._rest
        return self.told

    def _take(self, piece: bytes) -> None:
        *frames, self._rest = (self._rest + piece).split(b"\n\n")
        for frame in frames:
            self.told.add(frame)


@asynccontextmanager
async def asking(
    user: User, message: str, path: str = "/api/chat/stream", **fields: Any
) -> AsyncIterator[Following]:
    """Ask; left in the middle unless it was read to the end."""
    headers = {**user.headers, **fields.pop("headers", {})}
    async with user.house.client.stream(
        "POST", path, data={"message": message, **fields}, headers=headers
    ) as response:
        assert response.status_code == 200, (await response.aread(), response.status_code)
        yield Following(response, Told(response))


@asynccontextmanager
async def following(
    user: User, message: int, last: str | None = None, **query: str
) -> AsyncIterator[Following]:
    """Follow a reply, after the event with the id `last`."""
    headers = {**user.headers, **({"Last-Event-ID": last} if last else {})}
    async with user.house.client.stream(
        "GET", f"/api/chat/stream/{message}", headers=headers, params=query
    ) as response:
        assert response.status_code == 200, (await response.aread(), response.status_code)
        yield Following(response, Told(response))


async def followed(user: User, message: int, last: str | None = None, **query: str) -> Told:
    async with following(user, message, last, **query) as stream:
        return await stream.to_the_end()
