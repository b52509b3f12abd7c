"""Admins at odds: whatever they do to each other at once, one remains, and each thing is done once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from adapters.sql.administration import SqlActionRecords
from adapters.sql.engine import database, reading
from application.admin.verify_log import VerifyLog
from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, User, a_house
from tests.integration.http.staff import call, staff
from tests.postgresql import fresh_database
from tests.servers.llm_service import LlmServiceServer

ADMINS = 5
DEMOTE, BAN, DELETE = "demote", "ban", "delete"


@pytest.fixture(params=["sqlite", "postgresql"])
async def any_house(
    request: pytest.FixtureRequest, tmp_path: Path, redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> AsyncIterator[House]:
    more = {}
    if request.param == "postgresql":
        more["DATABASE_URL"] = await fresh_database(request.getfixturevalue("postgresql"))
    async with a_house(tmp_path, REDIS_URL=valkey.url, LLM_URL=llm.url, **more) as house:
        yield house


async def against(user: User, id: int, deed: str) -> httpx.Response:
    if deed == DELETE:
        return await call(user, "DELETE", f"/users/{id}")
    change = {"role": "tutor"} if deed == DEMOTE else {"status": "banned"}
    return await call(user, "PUT", f"/users/{id}", json=change)


async def log_is_sound(house: House) -> bool:
    engine, _ = database(house.settings.sqlalchemy_url)
    try:
        return (await VerifyLog(SqlActionRecords(reading(engine)))()).sound
    finally:
        await engine.dispose()


async def admins_left(house: House) -> list[str]:
    """Who can still log in and administer."""
    left = []
    for n in range(1, ADMINS + 1):
        login = {"email": f"admin{n}@school.org", "password": PASSWORD}
        answer = await house.client.post("/api/login", json=login)
        if answer.status_code == 200:
            user = User(house, answer.json()["token"])
            if (await call(user, "GET", "/models")).status_code == 200:
                left.append(login["email"])
    return left


@pytest.mark.parametrize("deeds", [(DEMOTE,), (BAN,), (DELETE,), (DEMOTE, BAN, DELETE)], ids="-".join)
async def test_of_admins_who_remove_each_other_one_remains(any_house: House, deeds: tuple[str, ...]) -> None:
    admins = [await staff(any_house, f"admin{n}@school.org") for n in range(1, ADMINS + 1)]

    answers = await asyncio.gather(
        *(
            against(admin, target, deeds[(n + target) % len(deeds)])
            for n, admin in enumerate(admins, 1)
            for target in range(1, ADMINS + 1)
            if target != n
        )
    )

    found = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    # dead tokens, the deleted, those who were no admins any more when they asked, and the last one
    allowed = {
        (200, None),
        (401, "token_revoked"),
        (401, "account_banned"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "last_admin"),
        (503, "storage_unavailable"),  # too busy just then
    }
    assert set(found) <= allowed, found
    assert found[200, None] >= 1
    assert len(await admins_left(any_house)) >= 1
    assert await log_is_sound(any_house)


async def test_of_two_who_decide_one_request_one_wins(any_house: House) -> None:
    admins = [await staff(any_house, f"admin{n}@school.org") for n in (1, 2)]
    await any_house.register("ann@example.org", role="tutor")
    answers = await asyncio.gather(
        *(
            call(admin, "POST", f"/tutor_requests/1/{verdict}")
            for _ in range(3)
            for admin, verdict in zip(admins, ("approve", "reject"), strict=True)
        )
    )
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {200: 1, 409: 5}
    won = next(answer.json()["msg"] for answer in answers if answer.status_code == 200)
    ann = await any_house.login("ann@example.org")
    role = (await ann.get("/api/user/profile")).json()["role"]
    assert role == ("tutor" if won == "Tutor request approved" else "student")
    notes = (await ann.get("/api/user/notifications")).json()
    assert notes["total"] == 1


async def test_a_role_and_a_decision_at_once_do_not_block_each_other(any_house: House) -> None:
    """Both change the user and his request: whoever comes first, the other sees it."""
    root = await staff(any_house, "admin1@school.org")
    for n in range(2, 8):
        await any_house.register(f"s{n}@example.org", role="tutor")

    async def both(number: int) -> tuple[httpx.Response, httpx.Response]:
        return await asyncio.gather(
            call(root, "PUT", f"/users/{number + 1}", json={"role": "tutor"}),
            call(root, "POST", f"/tutor_requests/{number}/reject"),
        )

    for edited, decided in await asyncio.gather(*(both(number) for number in range(1, 7))):
        assert edited.status_code == 200, edited.text
        assert decided.status_code in (200, 409), decided.text
    body: dict[str, Any] = (await call(root, "GET", "/tutor_requests", params={"status": "all"})).json()
    assert {one["status"] for one in body["requests"]} <= {"approved", "rejected"}


async def test_many_deeds_at_once_leave_a_sound_log(any_house: House) -> None:
    root = await staff(any_house, "admin1@school.org")
    new = {"password": PASSWORD, "username": "x", "role": "student"}
    made = await asyncio.gather(
        *(call(root, "POST", "/users", json={**new, "email": f"u{n}@school.org"}) for n in range(6))
    )
    ids = [int(answer.json()["user_id"]) for answer in made]
    await asyncio.gather(
        *(call(root, "PUT", f"/users/{id}", json={"bio": f"{turn}"}) for id in ids for turn in range(5)),
        *(call(root, "POST", f"/users/{id}/logout") for id in ids),
    )
    total = (await call(root, "GET", "/user-action-logs")).json()["total"]
    assert total >= 2 + 6 + 6 + 6  # made, logged out, and each edited once at least
    assert await log_is_sound(any_house)
