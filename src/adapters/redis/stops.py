"""`chat:ctl`: orders to end replies, as JSON, told to every worker at once."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.stops import StopOrders
from domain.user import UserId

CHANNEL = "chat:ctl"
QUIET_S = 5.0  # after so long without a word we ask whether anybody is there
RECONNECT_S = 0.2


@dataclass(frozen=True, slots=True)
class RedisStopOrders(StopOrders):
    """`listening` serves nothing else: whoever follows the orders keeps one of its connections."""

    redis: Redis
    listening: Redis
    quiet_s: float = QUIET_S

    @override
    async def stop_user(self, user: UserId) -> None:
        with translated():
            await self.redis.publish(CHANNEL, json.dumps({"user": user}))

    @override
    async def orders(self) -> AsyncGenerator[UserId]:
        while True:
            with suppress(RedisError, OSError, TimeoutError):
                async with self.listening.pubsub() as line:
                    await line.subscribe(CHANNEL)
                    while (message := await self._next(line)) is not None:
                        user = _user(message)
                        if user is not None:
                            yield user
            await asyncio.sleep(RECONNECT_S)

    async def _next(self, line: Any) -> dict[str, Any] | None:
        """Whatever comes next; None when nobody is there any more, which a cut line alone does not tell."""
        message: dict[str, Any] | None = await line.get_message(timeout=self.quiet_s)
        if message is None:
            await line.ping()
            message = await line.get_message(timeout=self.quiet_s)
        return message


def _user(message: dict[str, Any]) -> UserId | None:
    """Whom an order is about; other messages on the channel are none of ours."""
    if message["type"] != "message":
        return None
    with suppress(ValueError, TypeError, KeyError):
        return UserId(int(json.loads(message["data"])["user"]))
    return None
