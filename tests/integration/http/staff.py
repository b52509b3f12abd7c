"""People who run the school, and how they call the administration."""

from typing import Any

import httpx

from entrypoints.admin import create_admin
from tests.integration.house import PASSWORD, House, User

ROOT, ADA, TIM = "root@school.org", "ada@school.org", "tim@school.org"


async def staff(house: House, email: str = ROOT, role: str = "admin") -> User:
    """Somebody made on the command line, logged in."""
    await create_admin(house.settings, email, PASSWORD, role)
    return await house.login(email)


async def call(user: User, method: str, path: str, **options: Any) -> httpx.Response:
    return await user.house.client.request(method, f"/api/admin{path}", headers=user.headers, **options)


async def id_of(house: House, email: str) -> int:
    ((id,),) = await house.sql(f"SELECT id FROM user WHERE email = '{email}'")
    return int(id)


async def listed(admin: User, **query: str) -> list[dict[str, Any]]:
    answer = await call(admin, "GET", "/users", params=query)
    assert answer.status_code == 200, answer.text
    users: list[dict[str, Any]] = answer.json()["users"]
    return users


async def shown(admin: User, email: str) -> dict[str, Any]:
    """One user as the list shows him."""
    return next(one for one in await listed(admin, search=email) if one["email"] == email)


async def logged(admin: User, **query: str) -> list[dict[str, Any]]:
    answer = await call(admin, "GET", "/user-action-logs", params=query)
    assert answer.status_code == 200, answer.text
    lines: list[dict[str, Any]] = answer.json()["logs"]
    return lines
