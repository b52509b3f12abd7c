"""What happens to accounts can be read in the logs (OB-3): who, when and in which request; never an address,
a password, a code or a token."""

import asyncio
from datetime import datetime, timedelta

import httpx

from tests.integration.house import PASSWORD, House
from tests.integration.http.logged import Logged
from tests.integration.http.test_passwords import ANN, NEW, NOBODY, changed, reset, tried


def noted(logs: Logged, answer: httpx.Response, event: str, **fields: object) -> None:
    """One line of the request says so."""
    (line,) = [line for line in logs.of(event) if line["request_id"] == answer.headers["x-request-id"]]
    assert {name: line[name] for name in fields} == fields
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta()
    assert line["level"] == "info"


async def test_logins_and_their_failures(house: House, logs: Logged) -> None:
    await house.register(ANN)
    noted(logs, await tried(house, PASSWORD), "logged in", user_id=1)
    noted(logs, await tried(house, "wrong password"), "login failed", user_id=1)
    noted(logs, await tried(house, PASSWORD, NOBODY), "login failed", user_id=None)
    await house.sql("UPDATE user SET status = 'banned'")
    noted(logs, await tried(house, PASSWORD), "login failed", user_id=1, banned=True)


async def test_refused_codes(house: House, logs: Logged) -> None:
    ann = await house.user()
    answer = await changed(ann, "update_password", "000000")
    noted(logs, answer, "code refused", user_id=1, purpose="update_password")
    answer = await changed(ann, "reset_password", "000000")
    noted(logs, answer, "code refused", user_id=1, purpose="reset_password")
    answer = await reset(house, email=NOBODY, code="000000", new_password=NEW)
    noted(logs, answer, "code refused", user_id=None, purpose="reset_password")
    account = {"email": NOBODY, "password": PASSWORD, "code": "000000"}
    answer = await house.client.post("/api/register", json=account)
    noted(logs, answer, "code refused", purpose="register")


async def test_denials_and_limits(house: House, logs: Logged) -> None:
    ann = await house.user()
    noted(logs, await ann.get("/api/admin/users"), "denied", user_id=1)
    for _ in range(10):
        await tried(house, "wrong password", NOBODY)
    noted(logs, await tried(house, "wrong password", NOBODY), "limit hit", user_id=None)
    for _ in range(19):
        await changed(ann, "update_password", "000000")
    noted(logs, await changed(ann, "update_password", "000000"), "limit hit", user_id=1)


async def test_none_of_them_names_an_address_or_a_secret(house: House, logs: Logged) -> None:
    ann = await house.user()
    for _ in range(12):
        await tried(house, "a-wrong-secret")
    for way in ("update_password", "reset_password"):
        await changed(ann, way, "424242", "a-new-secret")
    await house.client.post("/api/register", json={"email": NOBODY, "password": PASSWORD, "code": "424242"})
    for event in ("login failed", "limit hit", "code refused"):
        assert logs.of(event)
    for secret in (ANN, NOBODY, PASSWORD, "a-wrong-secret", "a-new-secret", "424242", ann.token):
        assert secret not in logs.text


async def test_lines_of_parallel_requests_keep_their_own_number(house: House, logs: Logged) -> None:
    numbers = [f"request-{n:03}" for n in range(20)]

    async def failing(number: str) -> httpx.Response:
        login = {"email": f"{number}@example.org", "password": "wrong password"}
        return await house.client.post("/api/login", json=login, headers={"X-Request-Id": number})

    for answer in await asyncio.gather(*map(failing, numbers)):
        noted(logs, answer, "login failed")
    assert {line["request_id"] for line in logs.of("login failed")} == set(numbers)
