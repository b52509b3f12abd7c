from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.talking_head.running import Running, running


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
async def instance(recordings: Path) -> AsyncIterator[Running]:
    """One that is ready; nobody watches it at the beginning of a test."""
    async with running("--look", "ada", "--max-sessions", "2", "--recordings", str(recordings)) as ada:
        await ada.ready()
        yield ada
