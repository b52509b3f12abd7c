import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.talking_head.running import Running, running


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
async def ada(recordings: Path) -> AsyncIterator[Running]:
    async with running("--look", "ada", "--max-sessions", "2", "--recordings", str(recordings)) as ada:
        await ada.ready()
        yield ada


@pytest.fixture
async def instance(ada: Running) -> Running:
    """One that is ready, and that has noticed that the viewers of earlier tests are gone."""
    async with asyncio.timeout(40):
        while await ada.sessions():  # noqa: ASYNC110 (another process's life)
            await asyncio.sleep(0.02)
    return ada
