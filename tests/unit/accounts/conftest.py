import pytest

from tests.unit.accounts.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
