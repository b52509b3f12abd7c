import pytest

from tests.unit.admin.office import Office


@pytest.fixture
def office() -> Office:
    return Office()
