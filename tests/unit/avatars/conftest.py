import pytest

from tests.unit.avatars.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
