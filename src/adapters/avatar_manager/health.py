"""How an instance does, asked over its own protocol."""

import asyncio
import json
from contextlib import suppress

from adapters.loopback import SECRET_HEADER

PATIENCE_S = 3.0
ANSWER_MAX = 16 * 1024


async def sessions(port: int, secret: str) -> int | None:
    """How many watch the instance at that port; None without an answer that says it is healthy."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            return _counted(await _asked(port, secret))
    return None


async def _asked(port: int, secret: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=ANSWER_MAX)
    try:
        head = ("GET /health HTTP/1.1", f"Host: 127.0.0.1:{port}", f"{SECRET_HEADER}: {secret}")
        writer.write("\r\n".join((*head, "Connection: close", "", "")).encode())
        answer = b""
        while len(answer) < ANSWER_MAX and (piece := await reader.read(ANSWER_MAX)):
            answer += piece
        return answer
    finally:
        writer.close()


def _counted(answer: bytes) -> int | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        return None
    try:
        said = json.loads(body)
    except ValueError:
        return None
    sessions = said.get("sessions", 0) if isinstance(said, dict) and said.get("status") == "healthy" else None
    return sessions if isinstance(sessions, int) else None
