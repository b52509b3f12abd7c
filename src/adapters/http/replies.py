"""What the two model protocols share: a reply read from a stream of events, bounded and in our own errors."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager

import httpx

from adapters.http.answers import events
from adapters.http.errors import BadAnswer, Busy, Unreadable, translated
from application.ports.language_model import ModelFailed, ModelTimeout, ModelUnreachable
from domain.text import storable

TEXT_MAX = 1024 * 1024
JUNK_MAX = 20

# The text in an event (None or empty when it has none) and whether it ends the reply.
# Raises Unreadable for an event that may be skipped, BadAnswer for one that says the reply has failed.
Read = Callable[[bytes], tuple[str | None, bool]]


@contextmanager
def model_errors() -> Iterator[None]:
    """Foreign errors as LanguageModel names them."""
    with translated(unreachable=ModelUnreachable, timeout=ModelTimeout, failed=ModelFailed):
        try:
            yield
        except Busy as busy:
            raise ModelUnreachable(retry_after=busy.retry_after) from busy


async def reply(
    client: httpx.AsyncClient,
    ask: Callable[[], Awaitable[httpx.Request]],
    read: Read,
    *,
    idle_s: float,
    total_s: float,
) -> AsyncGenerator[str]:
    """The pieces of a reply as LanguageModel.stream promises them."""
    text = junk = 0
    with model_errors():
        async with aclosing(events(client, await ask(), idle_s=idle_s, total_s=total_s)) as batches:
            async for batch in batches:
                for data in batch:
                    try:
                        piece, ended = read(data)
                    except Unreadable:
                        junk += 1
                        if junk > JUNK_MAX:
                            raise
                        continue
                    if piece:
                        text += len(piece.encode(errors="replace"))
                        if text > TEXT_MAX:
                            raise BadAnswer("oversized reply")
                        yield storable(piece)
                    if ended:
                        if junk and not text:
                            raise BadAnswer("nothing but junk")
                        return  # some servers leave the stream open for ever: this is the end, not EOF
        raise BadAnswer("stream ended without an end mark")
