"""Who administers: admins, and tutors where the house says so; nobody else, and least of all by his token."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from entrypoints.http.policy import Policy
from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, User, a_house
from tests.integration.http.answers import refusal
from tests.integration.http.conftest import forged
from tests.integration.http.raw import exchange
from tests.integration.http.routes import Route, protected
from tests.integration.http.staff import ROOT, TIM, call, id_of, logged, shown, staff
from tests.servers.llm_service import LlmServiceServer

ANN = "ann@example.org"
DENIED = (403, "Permission denied", "forbidden")
NEW = {"email": "new@school.org", "password": PASSWORD, "username": "new", "role": "admin"}


def admin_routes(house: House) -> list[Route]:
    found = [route for route in protected(house) if route.path.startswith("/api/admin/")]
    assert len(found) >= 12
    assert {route.policy for route in found} == {Policy.ADMIN}
    return found


@pytest.fixture
async def open_house(
    tmp_path: Path, redis: object, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[House]:
    """Its tutors administer."""
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, TUTORS_ADMINISTER="true") as house:
        yield house


async def nothing_done(house: House, who: User, denied_from: int) -> None:
    """Every route is refused before the body is read, and leaves no trace."""
    before = await state(house)
    for route in admin_routes(house):
        path = route.path.replace("/1", f"/{denied_from}")
        for content in (None, b"{broken", b'{"role": "admin", "status": "banned", "email": "x@y.org"}'):
            answer = await house.client.request(route.method, path, content=content, headers=who.headers)
            assert refusal(answer) == DENIED, route
    assert await state(house) == before


async def state(house: House) -> list[object]:
    return [
        await house.sql("SELECT id, email, role, status, tokens_from, deleted_at FROM user ORDER BY id"),
        await house.sql("SELECT * FROM user_action_log WHERE action NOT IN ('login', 'logout')"),
        await house.sql("SELECT * FROM tutor_request"),
        await house.sql("SELECT kind, dedup_key FROM job"),
    ]


@pytest.mark.parametrize("role", ["student", "tutor"])
async def test_others_get_nothing_and_do_nothing(house: House, role: str) -> None:
    await staff(house)
    if role == "student":
        who = await house.user(ANN)
        await house.register("tom@example.org", role="tutor")
    else:
        who = await staff(house, TIM, "tutor")
    await nothing_done(house, who, denied_from=1)


async def test_a_student_gets_nothing_where_tutors_administer(open_house: House) -> None:
    await staff(open_house)
    await nothing_done(open_house, await open_house.user(ANN), denied_from=1)


async def test_the_refusal_comes_before_the_body(house: House) -> None:
    """The body is announced and never sent."""
    ann = await house.user(ANN)
    for route in admin_routes(house):
        if route.method != "GET":
            head = (
                f"{route.method} {route.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
            )
            assert (await exchange(house.url, head, within=0.5)).startswith(b"HTTP/1.1 403"), route


async def test_a_role_in_the_token_opens_nothing(house: House) -> None:
    ann = await house.user(ANN)
    claiming = User(house, forged(ann, role="admin", email=ROOT))
    assert refusal(await call(claiming, "GET", "/users")) == DENIED


async def test_a_role_that_was_lost_opens_nothing_more(house: House) -> None:
    """Without a new token: the database is asked each time."""
    root = await staff(house)
    assert (await call(root, "GET", "/users")).status_code == 200
    await house.sql("UPDATE user SET role = 'student' WHERE id = 1")
    assert refusal(await call(root, "GET", "/users")) == DENIED


async def test_tutors_administer_where_the_house_says_so(open_house: House) -> None:
    tim = await staff(open_house, TIM, "tutor")
    await open_house.register(ANN, role="tutor")
    id = await id_of(open_house, ANN)
    for method, path, body in (
        ("GET", "/users", None),
        ("GET", "/models", None),
        ("GET", "/knowledge", None),
        ("GET", "/user-action-logs", None),
        ("GET", "/tutor_requests", None),
        ("PUT", f"/users/{id}", {"bio": "x"}),
        ("POST", f"/users/{id}/logout", None),
        ("POST", "/tutor_requests/1/approve", None),
        ("DELETE", f"/users/{id}", None),
    ):
        answer = await call(tim, method, path, json=body)
        assert answer.status_code == 200, (method, path, answer.text)
    made = await call(tim, "POST", "/users", json={**NEW, "role": "tutor"})
    assert made.status_code == 201
    assert {line["operator_email"] for line in await logged(tim, action="delete")} >= {TIM}
    detailed = await tim.get("/api/health/detailed")
    assert "checks" in detailed.json()


async def test_tutors_neither_make_nor_touch_admins(open_house: House) -> None:
    root, tim = await staff(open_house), await staff(open_house, TIM, "tutor")
    for method, path, body in (
        ("POST", "/users", NEW),
        ("PUT", "/users/1", {"bio": "x"}),
        ("PUT", "/users/1", {"role": "student"}),
        ("PUT", "/users/1", {"status": "banned"}),
        ("PUT", "/users/2", {"role": "admin"}),
        ("DELETE", "/users/1", None),
        ("POST", "/users/1/logout", None),
        ("POST", "/users/1/send_reset", None),
    ):
        assert refusal(await call(tim, method, path, json=body)) == DENIED, (method, path, body)
    own = (409, "You cannot do this to your own account", "own_account")
    assert refusal(await call(tim, "PUT", "/users/2", json={"role": "student"})) == own
    assert refusal(await call(tim, "PUT", "/users/2", json={"status": "banned"})) == own
    assert refusal(await call(tim, "DELETE", "/users/2")) == own
    assert (await shown(root, ROOT))["role"] == "admin"
    assert (await shown(root, TIM))["role"] == "tutor"
