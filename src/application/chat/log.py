"""What a reply has told so far, kept small."""

import json
from collections.abc import Sequence
from typing import overload

from typing_extensions import override

from application.chat import events
from domain.conversation import MessageId

PACK = 64  # events in one piece of memory: an object for each would take more than its text


class Log(Sequence[bytes]):
    """The events of one reply in order, the n-th numbered n; only ever appended to. Read as frames, each made
    when somebody asks for it: an answer of 500 pieces takes 15 KiB here, its frames would take 60."""

    __slots__ = ("_message", "_newest", "_packed")

    def __init__(self, message: MessageId) -> None:
        self._message = message
        self._packed: list[bytes] = []  # PACK events each, separated by line ends, which no event contains
        self._newest: list[bytes] = []

    def append(self, event: bytes) -> None:
        self._newest.append(event)
        if len(self._newest) >= 2 * PACK:
            self._packed.append(b"\n".join(self._newest[:PACK]))
            del self._newest[:PACK]

    @property
    def text(self) -> str:
        return self.text_from(0)

    def text_from(self, place: int) -> str:
        """The chunks behind that many events, concatenated."""
        chunks = [event for event in self._events(place, len(self)) if events.is_chunk(event)]
        return "".join(json.loads(b"[%b]" % b",".join(chunks)))

    @override
    def __len__(self) -> int:
        return PACK * len(self._packed) + len(self._newest)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    @override
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            first, end, _ = place.indices(len(self))
            told = enumerate(self._events(first, end), first + 1)
            return [events.frame(self._message, n, event) for n, event in told]
        return self[: len(self)][place] if place < 0 else self[place : place + 1][0]

    def _events(self, first: int, end: int) -> list[bytes]:
        packed = PACK * len(self._packed)
        if first >= packed:  # as nearly always
            return self._newest[first - packed : end - packed]
        begin = first // PACK
        unpacked = [event for pack in self._packed[begin : end // PACK + 1] for event in pack.split(b"\n")]
        return [*unpacked, *self._newest][first - begin * PACK : end - begin * PACK]
