from collections.abc import AsyncIterator

import pytest

from tests.unit.chat.room import Room, Worker


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
async def worker(room: Room) -> AsyncIterator[Worker]:
    async with room.open_worker() as worker:
        yield worker
