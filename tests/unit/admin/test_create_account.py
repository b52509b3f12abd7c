import pytest

from application.admin.create_account import CreateAccount
from domain.errors import InvalidField
from domain.user import EmailTaken, Role, Status, WeakPassword
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakePasswordHasher
from tests.fakes.persistence import FakeDatabase, FakeWorkFactory

ROOT, PASSWORD = "root@example.org", "correct horse battery"


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def create_account(database: FakeDatabase) -> CreateAccount:
    return CreateAccount(
        work=FakeWorkFactory(database),
        hasher=FakePasswordHasher(),
        clock=FakeClock(),
        common_passwords=frozenset({"password1"}),
    )


@pytest.mark.parametrize("role", list(Role))
async def test_makes_an_account_of_any_role(
    create_account: CreateAccount, database: FakeDatabase, role: Role
) -> None:
    id = await create_account(" Root@EXAMPLE.org", PASSWORD, role)
    user = database.tables.users[id]
    assert (user.email, user.role, user.status) == (ROOT, role, Status.INACTIVE)
    assert user.profile is not None
    assert user.profile.username == "root"
    (line,) = database.tables.log
    assert (line.action, line.target, line.details) == ("create", id, {"role": role.value})


async def test_asks_as_much_as_registration(create_account: CreateAccount, database: FakeDatabase) -> None:
    with pytest.raises(InvalidField):
        await create_account("root", PASSWORD, Role.ADMIN)
    for password in ("short", "password1", ROOT):
        with pytest.raises(WeakPassword):
            await create_account(ROOT, password, Role.ADMIN)
    await create_account(ROOT, PASSWORD, Role.ADMIN)
    with pytest.raises(EmailTaken):
        await create_account(ROOT, PASSWORD, Role.STUDENT)
    assert [user.role for user in database.tables.users.values()] == [Role.ADMIN]
