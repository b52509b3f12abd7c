"""A reply as Server-Sent Events (contract 10.1)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import anyio
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from application.accounts.still_in import StillIn
from application.chat.running import Reader, RunningReply
from application.ports.credentials import Claims

HEARTBEAT = b": ping\n\n"
REVOCATION_CHECK_S = 20.0


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """How long the status line waits for the first word, when a silent stream gives a sign of life, and how
    often we ask whether the reader is still logged in."""

    hold_s: float
    heartbeat_s: float
    revocation_check_s: float = REVOCATION_CHECK_S


@dataclass(frozen=True, slots=True)
class LoginWatch:
    """An eye on the login session of a stream's reader."""

    still_in: StillIn
    claims: Claims
    every_s: float

    async def over(self) -> None:
        """Returns once the login session was ended."""
        claims: Claims | None = self.claims
        while claims is not None:
            await anyio.sleep(self.every_s)
            claims = await self.still_in(claims)


async def frames(running: RunningReply, times: StreamTimes, after: int = 0) -> AsyncGenerator[bytes]:
    """First an empty piece, when the status line need not be held any longer. Then whole events, those that
    are ready together in one piece; a comment when nothing happens for long."""
    head = f"id: {running.reply.message}-"
    with Reader(running, after) as reader:
        await running.begun(times.hold_s)
        yield b""
        while not reader.finished:
            first, fresh = await reader.next(times.heartbeat_s)
            if fresh:
                yield b"".join(
                    f"{head}{n}\ndata: ".encode() + event + b"\n\n" for n, event in enumerate(fresh, first)
                )
            elif not reader.finished:
                yield HEARTBEAT


async def begun(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same frames, once the answer has begun or the line was held long enough: from the first moment on
    the reader counts as one."""
    await anext(frames)
    return frames


class EventStream(ASGIResponse):
    """Streams frames and closes their generator in the request's own task, whatever ends the stream: their
    end, a reader that leaves, or one whose login session is over. For the last it ends as if nothing more
    was said; the reply goes on and is stored."""

    _should_set_content_length = False

    def __init__(self, frames: AsyncGenerator[bytes], headers: dict[str, str], login: LoginWatch) -> None:
        super().__init__(
            status_code=200,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers},
        )
        self.frames = frames
        self.login = login

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("http_version") == "1.1":
            self.headers["connection"] = "keep-alive"
        await super().__call__(scope, receive, send)

    @override
    async def send_body(self, send: Send, receive: Receive) -> None:
        async with anyio.create_task_group() as tasks:
            allowed = anyio.CancelScope()

            async def watch_line() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            async def watch_login() -> None:
                await self.login.over()
                allowed.cancel()

            tasks.start_soon(watch_line)
            tasks.start_soon(watch_login)
            with allowed:
                async with aclosing(self.frames) as frames:
                    async for frame in frames:
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            tasks.cancel_scope.cancel()
