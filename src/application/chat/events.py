"""What a reader of a reply is told (contract 10): each event as the bytes of its JSON.

Compact, ASCII-escaped, one line, `status` first. Chunks are built by hand: they are the hot path.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from json.encoder import encode_basestring_ascii

from domain.conversation import MessageId, SessionId, Source
from domain.errors import DomainError

CHUNK_EVENT_MAX = 1200  # bytes of a whole chunk event, its frame included
_CHUNK_HEAD, _CHUNK_TAIL = b'{"status":"streaming","chunk":', b"}"
_TEXT_MAX = CHUNK_EVENT_MAX - 80  # the rest holds the head, the tail and the longest possible id
_ESCAPED_MAX = 12  # bytes one code point can take: a surrogate pair, escaped


def chunks(text: str) -> Iterator[bytes]:
    """The text as one or more chunk events, cut between code points so that none is too large."""
    escaped = encode_basestring_ascii(text)
    if len(escaped) <= _TEXT_MAX:
        yield _CHUNK_HEAD + escaped.encode() + _CHUNK_TAIL
        return
    size = _TEXT_MAX // _ESCAPED_MAX
    for start in range(0, len(text), size):
        part = encode_basestring_ascii(text[start : start + size])
        yield _CHUNK_HEAD + part.encode() + _CHUNK_TAIL


def sources(cited: Sequence[Source]) -> bytes:
    return _packed({"status": "sources", "sources": [asdict(source) for source in cited]})


def finished() -> bytes:
    return b'{"status":"finished"}'


def error(refusal: DomainError) -> bytes:
    return _packed({"status": "error", "error": refusal.msg, "code": refusal.event})


def complete(session: SessionId, message: MessageId, text: str, *, interrupted: bool) -> bytes:
    event: dict[str, object] = {
        "status": "complete",
        "session_id": session,
        "message_id": message,
        "text": text,
    }
    if interrupted:
        event["interrupted"] = True
    return _packed(event)


def said(events: Sequence[bytes]) -> tuple[str, list[dict[str, object]] | None]:
    """The text and the sources that a log of events carries."""
    text: list[str] = []
    cited: list[dict[str, object]] | None = None
    for event in events:
        if event.startswith(_CHUNK_HEAD):
            text.append(json.loads(event)["chunk"])
        elif event.startswith(b'{"status":"sources"'):
            cited = json.loads(event)["sources"]
    return "".join(text), cited


def _packed(event: dict[str, object]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
