import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

DIRECTIVE = re.compile(r"\[\[([^\[\]]+)\]\]")
NUMBERS = {
    "head_after": float,
    "first_after": float,
    "gap": float,
    "split": int,
    "drip": float,
    "status": int,
}
End = Literal["mark", "twice", "open", "eof", "error", "hang", "reset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a model server plays its next replies. Any request may carry `[[end=open;gap=0.2]]` in its text.

    `end`: `mark` ends as the protocol says; `twice` says so two times; `open` sends the mark and never ends
    the HTTP stream; `eof` ends it without a mark; `error` sends an error event; `hang` falls silent for ever;
    `reset` cuts the line.
    """

    pieces: Sequence[str] | None = None  # None: an answer that fits the question
    end: End = "mark"
    head_after: float = 0.0  # seconds before the status line
    first_after: float = 0.0  # seconds between it and the first event
    gap: float = 0.0  # seconds between events
    split: int = 0  # bytes per write; 0: whole events
    drip: float = 0.0  # seconds between such writes
    raw: Sequence[bytes] = ()  # lines sent verbatim after the first piece
    newline: bytes = b"\n"
    prefix: bytes = b"data: "
    status: int = 200
    body: bytes = b""  # with another status, or another content type
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)

    def directed(self, text: str) -> Self:
        found = DIRECTIVE.search(text)
        if not found:
            return self
        changes: dict[str, object] = {}
        for setting in found[1].split(";"):
            key, _, value = setting.partition("=")
            changes[key.strip()] = NUMBERS.get(key.strip(), str)(value.strip())
        return replace(self, **changes)  # type: ignore[arg-type]  # any field, read from text
