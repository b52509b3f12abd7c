"""What the two model protocols share: a reply read from a stream of events, bounded and in our own errors."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from adapters.http.answers import events
from adapters.http.errors import BadAnswer, Busy, Unreadable, translated
from application.ports.language_model import ModelFailed, ModelTimeout, ModelUnreachable

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


@dataclass(slots=True)
class _Listening:
    """What has been read of a reply. `ended`: there is nothing more to read; `failed`: and why not."""

    read: Read
    ended: bool = False
    failed: BadAnswer | None = None
    _size: int = 0
    _junk: int = 0

    def text_of(self, batch: Sequence[bytes]) -> str:
        """The text of these events, up to an end or to what makes no sense any more."""
        pieces: list[str] = []
        try:
            for data in batch:
                if self.ended:
                    break
                pieces.append(self._text_in(data))
        except BadAnswer as failure:
            self.failed, self.ended = failure, True
        return "".join(pieces)

    def _text_in(self, data: bytes) -> str:
        try:
            piece, self.ended = self.read(data)
        except Unreadable:
            self._junk += 1
            if self._junk > JUNK_MAX:
                raise
            return ""
        self._size += len((piece or "").encode(errors="replace"))
        if self._size > TEXT_MAX:
            raise BadAnswer("oversized reply")
        if self.ended and self._junk and not self._size:
            raise BadAnswer("nothing but junk")
        return piece or ""


async def reply(
    client: httpx.AsyncClient,
    ask: Callable[[], Awaitable[httpx.Request]],
    read: Read,
    *,
    idle_s: float,
    total_s: float,
) -> AsyncGenerator[str]:
    """The pieces of a reply as LanguageModel.stream promises them: one for all that arrived together, so that
    a flood of single letters is no flood of pieces."""
    listening = _Listening(read)
    with model_errors():
        async with events(client, await ask(), idle_s=idle_s, total_s=total_s) as batches:
            while batch := await batches.next():
                if text := listening.text_of(batch):
                    yield text
                if listening.failed:
                    raise listening.failed
                if listening.ended:
                    return  # some servers leave the stream open for ever: this is the end, not EOF
        raise BadAnswer("stream ended without an end mark")
