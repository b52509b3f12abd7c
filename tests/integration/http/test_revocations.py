"""What ends which login sessions (contract 2.1), of an account that has several, at every worker."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from redis import Redis

from tests.integration.house import PASSWORD, House, User, a_house, running
from tests.integration.http.answers import refusal
from tests.integration.http.staff import call, id_of, staff
from tests.integration.http.test_passwords import ANN, DEAD, NEW, changed, code_for
from tests.integration.http.test_refresh import past_half, successor_in
from tests.integration.leaving import leave

BOB = "bob@example.org"


@dataclass(frozen=True, slots=True)
class School:
    """Ann has two logins, one of them with a successor; others have one each."""

    house: House
    other: House
    redis: Redis
    root: User
    bob: User
    anns: list[User]

    @property
    def ann(self) -> User:
        return self.anns[0]

    async def edit(self, **fields: str) -> None:
        answer = await call(self.root, "PUT", f"/users/{await id_of(self.house, ANN)}", json=fields)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def school(tmp_path: Path, redis: Redis, valkey_url: str) -> AsyncIterator[School]:
    async with (
        a_house(tmp_path, REDIS_URL=valkey_url, SINGLE_SESSION="false") as house,
        running(house.settings) as other,
    ):
        root, bob = await staff(house), await house.user(BOB)
        anns = [await house.user(ANN), await house.login(ANN)]
        older = past_half(anns[1])
        anns.append(successor_in(await older.get("/api/user/profile"), older))
        yield School(house, other, redis, root, bob, anns)


async def update_password(school: School) -> None:
    code = await code_for(school.house, school.redis, "update_password")
    assert (await changed(school.ann, "update_password", code)).status_code == 200


async def reset_password(school: School) -> None:
    code = await code_for(school.house, school.redis, "reset_password")
    assert (await changed(school.ann, "reset_password", code)).status_code == 200


async def role_change(school: School) -> None:
    await school.edit(role="tutor")


async def ban(school: School) -> None:
    await school.edit(status="banned")


async def leaving(school: School) -> None:
    assert (await leave(school.ann, ANN)).status_code == 200


async def deletion(school: School) -> None:
    answer = await call(school.root, "DELETE", f"/users/{await id_of(school.house, ANN)}")
    assert answer.status_code == 200


async def approval(school: School) -> None:
    assert (await school.ann.post("/api/user/tutor_request")).status_code == 200
    assert (await call(school.root, "POST", "/tutor_requests/1/approve")).status_code == 200


async def logging_out_everywhere(school: School) -> None:
    assert (await school.ann.post("/api/logout_all")).status_code == 200


async def logout_by_an_admin(school: School) -> None:
    answer = await call(school.root, "POST", f"/users/{await id_of(school.house, ANN)}/logout")
    assert answer.status_code == 200


ENDS_ALL = [
    update_password,
    reset_password,
    role_change,
    ban,
    leaving,
    deletion,
    approval,
    logging_out_everywhere,
    logout_by_an_admin,
]


@pytest.mark.parametrize("event", ENDS_ALL)
async def test_all_of_the_account_end_on_the_next_request(
    school: School, event: Callable[[School], Awaitable[None]]
) -> None:
    await event(school)
    for worker in (school.other, school.house):
        for user in school.anns:
            assert refusal(await replace(user, house=worker).get("/api/user/profile")) == DEAD
        for bystander in (school.root, school.bob):
            assert (await replace(bystander, house=worker).get("/api/user/profile")).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"email": "moved@example.org"},
        {"status": "inactive"},
        {"status": "active"},
        {"username": "annie", "full_name": "Ann B.", "phone": "1", "bio": "x"},
        {"role": "student"},
    ],
)
async def test_other_changes_end_none(school: School, change: dict[str, str]) -> None:
    """Only a ban blocks, and an address is no identity."""
    await school.edit(**change)
    for user in school.anns:
        assert (await user.get("/api/user/profile")).status_code == 200


async def test_a_logout_ends_its_own_alone(school: School) -> None:
    first, second, successor = school.anns
    assert (await successor.post("/api/logout")).status_code == 200
    for user, alive in ((first, True), (second, False), (successor, False)):
        answer = await replace(user, house=school.other).get("/api/user/profile")
        assert (answer.status_code == 200) is alive
    assert await school.house.sql(f"SELECT status FROM user WHERE email = '{ANN}'") == [("active",)]


async def test_a_login_beside_others_ends_none(school: School) -> None:
    newest = await school.other.login(ANN, PASSWORD)
    for user in (*school.anns, newest):
        assert (await user.get("/api/user/profile")).status_code == 200


async def test_after_a_change_one_logs_in_afresh(school: School) -> None:
    await update_password(school)
    again = await school.other.login(ANN, NEW)
    assert (await replace(again, house=school.house).get("/api/user/profile")).status_code == 200
