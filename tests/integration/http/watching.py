"""Somebody who watches his files."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.house import User


class Watching:
    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._pieces = response.aiter_raw()
        self._frames: list[bytes] = []

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                while self._frames:
                    frame = self._frames.pop(0)
                    if frame == b": ping":
                        continue
                    assert frame.startswith(b'data: {"status":')
                    event: dict[str, Any] = json.loads(frame[6:])
                    return event
                *whole, torn = (await anext(self._pieces)).split(b"\n\n")
                assert torn == b""  # an event is never split over two writes
                self._frames += whole

    async def until(self, status: str, file: int) -> dict[str, Any]:
        while True:
            event = await self.next()
            if (event["status"], event["file_id"]) == (status, file):
                return event

    async def to_the_end(self) -> None:
        async with asyncio.timeout(10):
            async for _ in self._pieces:
                pass


@asynccontextmanager
async def watching(user: User, ticket: str | None = None) -> AsyncIterator[Watching]:
    how: dict[str, Any] = {"params": {"ticket": ticket}} if ticket else {"headers": user.headers}
    async with user.house.client.stream("GET", "/api/files/events", **how) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Watching(response)
