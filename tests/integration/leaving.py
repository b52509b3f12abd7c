"""Somebody leaves, or is sent away."""

import asyncio
import json
from typing import Any

import httpx
from redis.asyncio import Redis

from tests.integration.house import House, User


async def leave(user: User, email: str, house: House | None = None) -> httpx.Response:
    """Delete the account, at this house or at another worker of it."""
    house = house or user.house
    await no_pause(house)
    sent = await house.client.post(
        "/api/send_verification", json={"email": email, "purpose": "delete_account"}
    )
    assert sent.status_code == 200, sent.text
    code = await house.code_for(email, about="delete your account")
    return await with_body("DELETE", house, "/api/user/delete_account", user, {"code": code})


def redis_url_of(house: House) -> str:
    """Of a served house, that of the server it has brought along."""
    if house.settings.redis_url != "embedded":
        return house.settings.redis_url
    runtime = json.loads((house.settings.data_dir / "run" / "runtime.json").read_text())
    return str(runtime["redis_url"])


async def no_pause(house: House) -> None:
    """As if the last code had been asked for long ago."""
    async with Redis.from_url(redis_url_of(house)) as redis:
        if waiting := await redis.keys("code_wait:*"):
            await redis.delete(*waiting)


async def with_body(
    method: str, house: House, path: str, user: User, fields: dict[str, Any] | None
) -> httpx.Response:
    return await house.client.request(method, path, headers=user.headers, json=fields)


async def receipt(house: House, user_id: int, within: float = 10) -> dict[str, Any]:
    """What the action log says about the erasure, once it is there and the job has forgotten whom it was
    about."""
    async with asyncio.timeout(within):
        while True:
            lines = await house.sql(
                "SELECT details FROM user_action_log"
                f" WHERE action = 'erase' AND target_user_id = {int(user_id)}"
            )
            at_work = await house.sql(
                f"SELECT 1 FROM job WHERE dedup_key = 'erase:{int(user_id)}' AND state <> 'done'"
            )
            if lines and not at_work:
                (details,) = [json.loads(line[0]) for line in lines]
                return dict(details)
            await asyncio.sleep(0.05)
