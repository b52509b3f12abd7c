"""Server-sent events, read from bytes. Each `data:` line is an event of its own: so our upstreams send."""

from adapters.http.errors import BadAnswer

EVENT_MAX = 1024 * 1024


class EventData:
    """Cuts a stream of bytes, however it was split on its way, into the data of its events.

    Only LF ends a line: U+2028, U+0085, VT and FF are text. Work is linear in the bytes fed, and no more than
    one unfinished line is kept.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = EVENT_MAX) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The events that these bytes complete. Raises BadAnswer when a line grows beyond the limit."""
        *lines, tail = data.split(b"\n")
        if lines and self._rest:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        if tail:
            self._rest += tail  # amortised: a line that trickles in is copied a few times only
            self._check(len(self._rest))
        return [event for line in lines if line and (event := self._event(line))]

    def end(self) -> list[bytes]:
        """What an upstream left without its last LF."""
        line, self._rest = bytes(self._rest), bytearray()
        return [event] if (event := self._event(line)) else []

    def _event(self, line: bytes) -> bytes | None:
        self._check(len(line))
        if not line.startswith(b"data:"):
            return None  # a comment, a blank line, or a field that means nothing here
        return line[5:].removesuffix(b"\r").removeprefix(b" ")

    def _check(self, length: int) -> None:
        if length > self._limit:
            raise BadAnswer("oversized event")
