"""What must hold for any bytes at all, whether hypothesis or, in `task fuzz`, atheris makes them up."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import httpx
from typing_extensions import override

from adapters.http.errors import BadAnswer
from adapters.http.framing import LINE_MAX, TRAILERS_MAX, Chunked
from adapters.http.llm_service import LlmService
from adapters.http.openai_chat import OpenAiChat
from adapters.http.sse import EventData
from application.ports.language_model import LanguageModel, ModelFailed, Prompt
from domain.conversation import MemoryId
from domain.user import UserId
from tests.fuzz.reading import by_h11, by_us, split

PROMPT = Prompt(user=UserId(1), memory=MemoryId(1), system="", input="Why?")


def events(wire: bytes, cuts: Sequence[int]) -> None:
    """No split of the bytes changes the events."""
    assert _events(split(wire, cuts)) == _events([wire])


def chunks(wire: bytes, cuts: Sequence[int]) -> None:
    """No split of the bytes changes a chunked body, nor whether it is refused."""
    assert _chunks(split(wire, cuts)) == _chunks([wire])


async def responses(wire: bytes, cuts: Sequence[int]) -> None:
    """We read what h11 reads. We are laxer only with trailers, which we do not look at, and stricter only
    with the length of a chunk's extensions and the number of trailers."""
    ours, theirs = await by_us(split(wire, cuts)), by_h11(wire)
    if ours.refused and not theirs.refused:
        assert (
            any(len(line) >= LINE_MAX - 1 for line in wire.split(b"\n")) or wire.count(b"\n") > TRAILERS_MAX
        )
    elif theirs.refused and not ours.refused:
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
        assert b"chunked" in wire.lower()
    elif not ours.refused:
        assert ours == theirs


async def replies(wire: bytes, cuts: Sequence[int]) -> None:
    """Whatever a model server sends, a reply is text that can be stored, or it has failed."""
    for make in (LlmService, lambda client, url: OpenAiChat(client, url, "any")):
        async with httpx.AsyncClient(transport=_Canned(split(wire, cuts))) as client:
            model: LanguageModel = make(client, "http://a")
            try:
                async for piece in model.stream(PROMPT):
                    assert piece
                    assert "\0" not in piece
                    piece.encode()  # no half of a surrogate pair
            except ModelFailed:
                pass


class _Canned(httpx.AsyncBaseTransport):
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async def stream() -> AsyncGenerator[bytes]:
            for piece in self._pieces:
                yield piece

        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream())


def _events(pieces: Sequence[bytes]) -> list[bytes] | None:
    parser = EventData(limit=2000)
    try:
        return [event for piece in pieces for event in parser.feed(piece)] + parser.end()
    except BadAnswer:
        return None


def _chunks(pieces: Sequence[bytes]) -> bytes | None:
    body, read = Chunked(), b""
    try:
        for piece in pieces:
            if not body.done:
                read += body.feed(piece)
        body.closed()
    except httpx.RemoteProtocolError:
        return None
    return read


async def anything(kind: int, wire: bytes, cuts: Sequence[int]) -> None:
    async with asyncio.timeout(20):
        if kind % 4 == 0:
            events(wire, cuts)
        elif kind % 4 == 1:
            chunks(wire, cuts)
        elif kind % 4 == 2:
            await responses(wire, cuts)
        else:
            await replies(wire, cuts)
