"""What a reader of a reply is told (contract 10).

An event is its JSON: compact, ASCII-escaped, on one line, `status` first; that of a chunk is its text alone,
as a JSON string, for there are so many. A frame is an event as it goes over the wire, numbered. Frames
of chunks are built by hand: they are the hot path.
"""

import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from application.ports.language_model import ModelFailed, ModelSilent, ModelTimeout, ModelUnreachable
from domain.conversation import MessageId, SessionId, Source
from domain.errors import DomainError, ShuttingDown, StorageUnavailable

CHUNK_EVENT_MAX = 1200  # bytes of a whole chunk event, its frame included
_CHUNK_HEAD = b'{"status":"streaming","chunk":'
_SOURCES_HEAD = b'{"status":"sources"'
_ERROR_HEAD = b'{"status":"error"'
_COMPLETE_HEAD = b'{"status":"complete"'
_TEXT_MAX = CHUNK_EVENT_MAX - 80  # the rest holds the head, the tail and the longest possible id
_ESCAPED_MAX = 12  # bytes one code point can take: a surrogate pair, escaped
_DATA, _END = b"\ndata: ", b"\n\n"
_QUOTE = ord('"')

_REFUSALS: dict[str, type[DomainError]] = {
    refusal.event: refusal
    for refusal in (
        ModelUnreachable,
        ModelTimeout,
        ModelFailed,
        ModelSilent,
        ShuttingDown,
        StorageUnavailable,
        DomainError,
    )
}


def frame(message: MessageId, n: int, event: bytes) -> bytes:
    """The n-th event of a reply as it goes over the wire."""
    if is_chunk(event):
        return b'id: %d-%d\ndata: {"status":"streaming","chunk":%b}\n\n' % (message, n, event)
    return b"id: %d-%d\ndata: %b\n\n" % (message, n, event)


def frames(message: MessageId, after: int, *events: bytes) -> list[bytes]:
    """Consecutive events, the first numbered `after` + 1."""
    return [frame(message, n, event) for n, event in enumerate(events, after + 1)]


def chunks(text: str) -> list[bytes]:
    """The text as one or more chunk events, cut between code points so that none is too large."""
    escaped = encode_basestring_ascii(text)
    if len(escaped) <= _TEXT_MAX:
        return [escaped.encode()]
    size = _TEXT_MAX // _ESCAPED_MAX
    starts = range(0, len(text), size)
    return [encode_basestring_ascii(text[start : start + size]).encode() for start in starts]


def is_chunk(event: bytes) -> bool:
    return event[0] == _QUOTE


def sources(cited: Sequence[Source]) -> bytes:
    return _packed({"status": "sources", "sources": [source.told for source in cited]})


def avatar(state: str) -> bytes:
    return _packed({"status": "avatar", "state": state})


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


def cut_off(session: SessionId, message: MessageId, text: str, after: int) -> list[bytes]:
    """The last frames of a reply that its worker could not finish: `text` is what is stored of it."""
    ends = complete(session, message, text, interrupted=True)
    return frames(message, after, error(DomainError()), ends)


def said(log: Sequence[bytes]) -> tuple[str, list[dict[str, object]] | None]:
    """The text and the sources that a log of frames carries."""
    text: list[str] = []
    cited: list[dict[str, object]] | None = None
    for event in map(_event, log):
        if event.startswith(_CHUNK_HEAD):
            text.append(json.loads(event)["chunk"])
        elif event.startswith(_SOURCES_HEAD):
            cited = json.loads(event)["sources"]
    return "".join(text), cited


def speaks(log: Sequence[bytes]) -> bool:
    """Whether a piece of an answer is among these frames."""
    return any(_event(one).startswith(_CHUNK_HEAD) for one in log)


def is_over(log: Sequence[bytes]) -> bool:
    """Whether the last of these frames is a reply's last."""
    return bool(log) and _event(log[-1]).startswith(_COMPLETE_HEAD)


def outcome(log: Sequence[bytes]) -> tuple[str, bool]:
    """The text of a reply that is over, and whether it was cut short."""
    end = _unpacked(_event(log[-1]))
    return end["text"], end.get("interrupted", False)


def was_cut_off(log: Sequence[bytes]) -> bool:
    """Whether these frames end as those of a reply that its worker could not finish."""
    refusal = failure(log)
    return refusal is not None and type(refusal) is DomainError


def survived(log: Sequence[bytes]) -> int:
    """How many of these frames were told by whoever generated the reply; the rest came after his death."""
    return len(log) - 2 if was_cut_off(log) else len(log)


def failure(log: Sequence[bytes]) -> DomainError | None:
    """Why a reply that is over has failed, if it did."""
    if len(log) < 2 or not (told := _event(log[-2])).startswith(_ERROR_HEAD):
        return None
    return _REFUSALS.get(_unpacked(told)["code"], DomainError)()


def _event(one: bytes) -> bytes:
    start = one.index(_DATA) + len(_DATA)
    return one[start : -len(_END)]


def _unpacked(event: bytes) -> dict[str, Any]:
    unpacked: dict[str, Any] = json.loads(event)
    return unpacked


def _packed(event: dict[str, object]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
