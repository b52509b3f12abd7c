"""A file as it is read: never whole in memory."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import anyio
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from domain.errors import Unavailable

log = logging.getLogger(__name__)

STALLED_S = 60.0  # whoever takes no piece for so long is gone: the store has few connections


class FileStream(ASGIResponse):
    """Sends pieces and closes their generator, whatever ends the transfer. The generator is asked for the
    next piece only when the server has taken over the one before."""

    _should_set_content_length = False

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        length: int,
        media_type: str,
        headers: Mapping[str, str],
        status_code: int = 200,
    ) -> None:
        """`length` is that of all pieces together."""
        exact = {"Content-Type": media_type, "Content-Length": str(length)}  # no charset that nobody knows
        super().__init__(status_code=status_code, media_type=media_type, headers={**headers, **exact})
        self.pieces = pieces

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.pieces):
            await super().__call__(scope, receive, send)

    @override
    async def send_body(self, send: Send, receive: Receive) -> None:
        taking = anyio.CancelScope()
        left = False

        async def watch() -> None:
            nonlocal left
            while (await receive())["type"] != "http.disconnect":
                pass
            left = True
            taking.cancel()  # nothing else: who reads the pieces must not be cut short

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                async for piece in self.pieces:
                    if left:  # also said once the last byte is out
                        break
                    with anyio.move_on_after(STALLED_S) as taking:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if taking.cancelled_caught:
                        break
                else:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except Unavailable as error:  # too late to say so: the line ends before the length that was told
                log.warning("a file broke off", extra={"error": type(error).__name__})
            tasks.cancel_scope.cancel()


async def nothing() -> AsyncGenerator[bytes]:
    """For HEAD."""
    return
    yield b""
