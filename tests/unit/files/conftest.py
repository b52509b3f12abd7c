from pathlib import Path

import pytest

from tests.unit.files.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return await Desk(tmp_path).opened()
