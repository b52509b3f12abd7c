"""Where the body of an HTTP/1.1 response begins and ends (RFC 9112, 6 and 7). No input or output here."""

import re
from typing import Protocol

import h11
import httpx
from typing_extensions import override

LINE_MAX = 4096  # a chunk's size with its extensions, or a trailer
TRAILERS_MAX = 100
# Of bounded length, and with one way only to match: no line takes more than linear time.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]{0,%d}|;[^\n]{0,%d})\r\n" % (LINE_MAX, LINE_MAX))


class Framing(Protocol):
    """Takes the bytes after a head, however they were split on their way."""

    done: bool  # the body is complete; what follows is not part of it

    def feed(self, data: bytes) -> bytes:
        """What these bytes add to the body. Raises RemoteProtocolError."""
        ...

    def closed(self) -> None:
        """The other side has closed. Raises RemoteProtocolError when the body is not complete."""
        ...


class Sized(Framing):
    """As long as the head said."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = not length

    @override
    def feed(self, data: bytes) -> bytes:
        piece = data[: self._left]
        self._left -= len(piece)
        self.done = not self._left
        return piece

    @override
    def closed(self) -> None:
        if not self.done:
            raise httpx.RemoteProtocolError("closed before the end of the body")


class UntilClosed(Framing):
    """Whatever comes before the other side closes."""

    done = False

    @override
    def feed(self, data: bytes) -> bytes:
        return data

    @override
    def closed(self) -> None:
        self.done = True


class Chunked(Framing):
    """A size in hexadecimal, that many bytes, and so on until a size of 0 and its trailers, which say nothing
    to us."""

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # of a chunk that has begun, with the line end behind it
        self._rest = b""  # of a line that is not complete
        self._trailers: int | None = None  # so many, once the last chunk was there

    @override
    def feed(self, data: bytes) -> bytes:
        if self._rest:
            data, self._rest = self._rest + data, b""
        pieces, at = [], 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                pieces.append(self._within(piece))
            elif self._trailers is None and (size := _SIZE.match(data, at)):
                _require_short(size.end() - at)
                at, length = size.end(), int(size[1], 16)
                if not length:
                    self._trailers = 0
                elif data[(end := at + length) : end + 2] == b"\r\n":  # all of it is here, as nearly always
                    pieces.append(data[at:end])
                    at = end + 2
                else:
                    self._left = length + 2
            elif end := data.find(b"\n", at) + 1:
                self._trailer(data[at:end])
                at = end
            else:
                self._rest = data[at:]
                _require_short(len(self._rest))
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @override
    def closed(self) -> None:
        if not self.done:
            raise httpx.RemoteProtocolError("closed before the last chunk")

    def _within(self, piece: bytes) -> bytes:
        """The part of it that is the chunk's; the line end is only checked."""
        mine = max(0, self._left - 2)
        due = b"\r\n"[2 - min(self._left, 2) :]
        self._left -= len(piece)
        if not due.startswith(piece[mine:]):
            raise httpx.RemoteProtocolError("a chunk does not end where it should")
        return piece[:mine]

    def _trailer(self, line: bytes) -> None:
        if self._trailers is None:
            raise httpx.RemoteProtocolError("malformed chunk size")
        _require_short(len(line))
        self._trailers += 1
        if self._trailers > TRAILERS_MAX:
            raise httpx.RemoteProtocolError("too many trailers")
        self.done = line in (b"\r\n", b"\n")


def _require_short(line: int) -> None:
    if line > LINE_MAX:
        raise httpx.RemoteProtocolError("oversized line between chunks")


def framing(method: str, head: h11.Response) -> Framing:
    """How the body behind this head is framed; the head's values are what h11 let pass."""
    if method == "HEAD" or head.status_code in (204, 304):
        return Sized(0)
    fields = dict(head.headers)
    if b"transfer-encoding" in fields:
        return Chunked()  # h11 refuses every other coding
    if b"content-length" in fields:
        return Sized(int(fields[b"content-length"]))
    return UntilClosed()
