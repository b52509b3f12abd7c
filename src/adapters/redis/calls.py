"""`chat:ctl`: calls between workers, as JSON, told to every worker at once; `chat:stopped:{order}` takes the
confirmation of one."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.calls import (
    Call,
    Calls,
    FilesChanged,
    Followed,
    JobsCancelled,
    Stopped,
    StopSession,
    StopUnread,
    StopUser,
)
from domain.conversation import MessageId, SessionId
from domain.user import UserId

CHANNEL = "chat:ctl"
QUIET_S = 5.0  # after so long without a word we ask whether anybody is there
RECONNECT_S = 0.2
CONFIRMATION_LIFE_S = 30
AGAIN_S = 1.0  # a worker that was just reconnecting hears the order the second time


@dataclass(frozen=True, slots=True)
class RedisCalls(Calls):
    """`listening` serves nothing else: whoever hears the calls keeps one of its connections. `waiting` is for
    calls that wait on the server's side."""

    redis: Redis
    listening: Redis
    waiting: Redis
    quiet_s: float = QUIET_S

    @override
    async def stop_user(self, user: UserId) -> None:
        await self._call({"user": user})

    @override
    async def stop_unread(self, session: SessionId) -> None:
        await self._call({"unread": session})

    @override
    async def followed(self, messages: Sequence[MessageId]) -> None:
        await self._call({"followed": list(messages)})

    @override
    async def files_changed(self, user: UserId) -> None:
        await self._call({"files": user})

    @override
    async def jobs_cancelled(self) -> None:
        await self._call({"jobs": "cancelled"})

    @override
    async def stop_session(self, session: SessionId, within_s: float) -> Stopped | None:
        order = uuid4().hex
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while (left := deadline - loop.time()) > 0:
            await self._call({"session": session, "order": order})
            with translated():
                said = await self.waiting.blpop([_confirmation(order)], timeout=min(left, AGAIN_S))
            if said:
                message, closed_ms = json.loads(said[1])
                return Stopped(MessageId(message), closed_ms)
        return None

    @override
    async def confirm(self, order: str, stopped: Stopped) -> None:
        key = _confirmation(order)
        with translated():
            async with self.redis.pipeline() as pipe:
                _ = pipe.lpush(key, json.dumps([stopped.message, stopped.upstream_closed_ms]))
                _ = pipe.expire(key, CONFIRMATION_LIFE_S)
                await pipe.execute()

    @override
    async def heard(self) -> AsyncGenerator[Call]:
        while True:
            with suppress(RedisError, OSError, TimeoutError):
                async with self.listening.pubsub() as line:
                    await line.subscribe(CHANNEL)
                    while (message := await self._next(line)) is not None:
                        if message["type"] == "message" and (call := _call_in(message["data"])):
                            yield call
            await asyncio.sleep(RECONNECT_S)

    async def _call(self, what: dict[str, object]) -> None:
        with translated():
            await self.redis.publish(CHANNEL, json.dumps(what))

    async def _next(self, line: Any) -> dict[str, Any] | None:
        """Whatever comes next; None when nobody is there any more, which a cut line alone does not tell."""
        message: dict[str, Any] | None = await line.get_message(timeout=self.quiet_s)
        if message is None:
            await line.ping()
            message = await line.get_message(timeout=self.quiet_s)
        return message


def _confirmation(order: str) -> str:
    return f"chat:stopped:{order}"


def _call_in(data: bytes) -> Call | None:
    """Other messages on the channel are none of ours."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        match json.loads(data):
            case {"session": int(session), "order": str(order)}:
                return StopSession(SessionId(session), order)
            case {"unread": int(session)}:
                return StopUnread(SessionId(session))
            case {"user": int(user)}:
                return StopUser(UserId(user))
            case {"files": int(user)}:
                return FilesChanged(UserId(user))
            case {"jobs": "cancelled"}:
                return JobsCancelled()
            case {"followed": [*messages]}:
                return Followed([MessageId(int(m)) for m in messages])
    return None
