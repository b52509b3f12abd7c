import pytest

from application.admin.create_user import NewUser
from application.ports.persistence import System
from domain.errors import InvalidField
from domain.user import DEFAULT_PICTURE, OnlyAdmins, Role, Status, UserExists, WeakPassword
from tests.unit.admin.office import ANN, PASSWORD, ROOT, TIM, Office


def wanted(**different: object) -> NewUser:
    fields: dict[str, object] = {"email": ANN, "password": PASSWORD, "role": "student", **different}
    return NewUser(**fields)  # type: ignore[arg-type]  # its fields are what a test chooses


@pytest.mark.parametrize("role", list(Role))
async def test_makes_an_account_of_any_role(office: Office, role: Role) -> None:
    id = await office.create_user(System(), wanted(email=" Ann@School.ORG", role=role.value))
    user = office.database.tables.users[id]
    assert (user.email, user.role, user.status) == (ANN, role, Status.INACTIVE)
    assert await office.hasher.verify(PASSWORD, user.password_hash)
    assert user.own_profile(office.clock.now()).username == "ann"
    (line,) = office.log
    assert (line.operator, line.role, line.action) == ("system", "system", "create")
    assert (line.target, line.target_email, line.details) == (id, ANN, {"role": role.value})


async def test_every_field_is_kept(office: Office) -> None:
    root = await office.somebody(ROOT, Role.ADMIN)
    texts = {"username": "ann", "full_name": "Ann Ō", "phone": "+49 1", "bio": "Likes\nbiology"}
    id = await office.create_user(
        root, wanted(role="tutor", status="banned", texts=texts, picture="https://x.example/a.png")
    )
    user = office.database.tables.users[id]
    profile = user.own_profile(office.clock.now())
    assert (user.role, user.status) == (Role.TUTOR, Status.BANNED)
    assert {name: getattr(profile, name) for name in texts} == texts
    assert profile.avatar_url == "https://x.example/a.png"
    assert (office.log[-1].operator, office.log[-1].role) == (ROOT, "admin")


async def test_asks_as_much_as_registration(office: Office) -> None:
    for refused in (
        wanted(email="root"),
        wanted(role="Admin"),
        wanted(role=""),
        wanted(status="gone"),
        wanted(texts={"username": "x" * 51}),
        wanted(texts={"bio": "\x00"}),
        wanted(picture="javascript:alert(1)"),
        wanted(picture="/static/avatars/user_1_0a1b2c3d.jpg"),  # somebody's own
        wanted(picture="/static/avatars/../x.png"),
    ):
        with pytest.raises(InvalidField):
            await office.create_user(System(), refused)
    for password in ("short", "password1", ANN):
        with pytest.raises(WeakPassword):
            await office.create_user(System(), wanted(password=password))
    assert office.database.tables.users == {}
    assert office.hasher.hashed == 0


async def test_without_a_picture_it_is_the_default(office: Office) -> None:
    id = await office.create_user(System(), wanted())
    assert office.database.tables.users[id].own_profile(office.clock.now()).avatar_url == DEFAULT_PICTURE


async def test_an_address_has_one_account(office: Office) -> None:
    await office.create_user(System(), wanted())
    with pytest.raises(UserExists, match="User already exists"):
        await office.create_user(System(), wanted(email="ANN@school.org", role="tutor"))
    assert len(office.log) == 1


async def test_only_an_admin_makes_admins(office: Office) -> None:
    tim = await office.somebody(TIM, Role.TUTOR)
    with pytest.raises(OnlyAdmins):
        await office.create_user(tim, wanted(role="admin"))
    await office.create_user(tim, wanted(role="tutor"))


def test_a_password_is_never_shown() -> None:
    assert PASSWORD not in repr(wanted())
