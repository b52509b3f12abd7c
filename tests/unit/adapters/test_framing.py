"""Our reading of HTTP/1.1 beside h11's: the same bodies, the same refusals, however the bytes are split."""

import time

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.http.framing import LINE_MAX, TRAILERS_MAX, Chunked
from tests.fuzz import streams
from tests.fuzz.reading import Outcome, by_h11, by_us, split

CUTS = st.lists(st.integers(0, 2000), max_size=30)
BODY = st.binary(max_size=300)
NAMES = st.sampled_from(["Content-Type", "X-ODD", "x-odd", "Via", "set-cookie", "X"])
FIELDS = st.lists(
    st.tuples(NAMES, st.sampled_from(["", "a", "text/plain; a=b", "  padded\t", "caf\xe9"])), max_size=5
)
EXTENSIONS = st.sampled_from(["", ";", ";a", ";a=b", ';a="b c"', "; a = b ", " ", "\t"])


def read_as_chunks(pieces: list[bytes]) -> bytes:
    chunks = Chunked()
    read = b"".join(chunks.feed(piece) for piece in pieces)
    chunks.closed()
    return read


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body, and how it may be written in chunks."""
    body, wire, at = draw(BODY), b"", 0
    while at < len(body):
        piece = body[at : at + draw(st.integers(1, 60))]
        at += len(piece)
        size = f"{len(piece):x}".rjust(draw(st.integers(1, 6)), "0")
        size = size.upper() if draw(st.booleans()) else size
        wire += (size + draw(EXTENSIONS)).encode() + b"\r\n" + piece + b"\r\n"
    trailers = "".join(f"X-{n}: end\r\n" for n in range(draw(st.integers(0, 3))))
    return body, wire + ("0" + draw(EXTENSIONS) + "\r\n" + trailers + "\r\n").encode()


@st.composite
def response(draw: st.DrawFn) -> tuple[int, bytes, bytes]:
    """Status, body, and how they may be written."""
    body, wire, framed = draw(st.one_of(sized(), in_chunks(), until_closed()))
    status, version = (
        draw(st.sampled_from([200, 206, 404, 500, 204, 304])),
        draw(st.sampled_from(["1.1", "1.0"])),
    )
    if status in (204, 304):
        body, wire = b"", b""
    early = "".join(
        f"HTTP/1.1 {n} Wait\r\n\r\n" for n in draw(st.lists(st.sampled_from([102, 103, 199]), max_size=3))
    )
    reason = draw(st.sampled_from(["", " ", " OK", " not so good"]))
    fields = "".join(f"{name}:{value}\r\n" for name, value in draw(FIELDS))
    head = f"{early}HTTP/{version} {status}{reason}\r\n{fields}{framed}\r\n"
    return status, body, head.encode("latin-1") + wire


def sized() -> st.SearchStrategy[tuple[bytes, bytes, str]]:
    names = st.sampled_from(["Content-Length", "CONTENT-length"])
    return st.builds(lambda body, name: (body, body, f"{name}: {len(body)}\r\n"), BODY, names)


def in_chunks() -> st.SearchStrategy[tuple[bytes, bytes, str]]:
    fields = st.sampled_from(["Transfer-Encoding: chunked\r\n", "transfer-ENCODING:Chunked\r\n"])
    return st.builds(lambda made, field: (*made, field), chunked(), fields)


def until_closed() -> st.SearchStrategy[tuple[bytes, bytes, str]]:
    return BODY.map(lambda body: (body, body, ""))


@given(response(), CUTS)
@settings(deadline=None)
async def test_what_is_well_formed_is_read_as_h11_reads_it(
    made: tuple[int, bytes, bytes], cuts: list[int]
) -> None:
    status, body, wire = made
    assert await by_us(split(wire, cuts)) == by_h11(wire) == Outcome(status, body, refused=False)


@given(response(), CUTS, st.data())
@settings(deadline=None)
async def test_what_was_damaged_is_read_or_refused_as_h11_does(
    made: tuple[int, bytes, bytes], cuts: list[int], data: st.DataObject
) -> None:
    """A few bytes cut out, put in, or another in their place."""
    wire = made[2]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(wire)))
        put = data.draw(
            st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"0", b"-", b" ", b";", b":", b"\0", b"\xff", b"g"])
        )
        wire = wire[:at] + put + wire[at + data.draw(st.integers(0, 3)) :]
    await streams.responses(wire, cuts)


@given(st.binary(max_size=200), CUTS)
@settings(deadline=None)
async def test_any_bytes_are_read_or_refused_as_h11_does(wire: bytes, cuts: list[int]) -> None:
    await streams.responses(b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n" + wire, cuts)
    await streams.responses(wire, cuts)


@given(chunked(), CUTS)
def test_no_split_changes_a_chunked_body(made: tuple[bytes, bytes], cuts: list[int]) -> None:
    body, wire = made
    assert read_as_chunks(split(wire, cuts)) == body


@given(st.text("0123456789abcdefxX-+_;\r\n \t", max_size=80), CUTS)
def test_any_chunks_are_read_the_same_however_they_are_split(wire: str, cuts: list[int]) -> None:
    streams.chunks(wire.encode(), cuts)


@given(
    st.lists(
        st.sampled_from([b'data: {"chunk":"a","status":"streaming"}\n\n', b"data: [DONE]\n", b"{}", b"\xff"])
    ),
    CUTS,
)
@settings(deadline=None)
async def test_any_reply_is_text_or_has_failed(lines: list[bytes], cuts: list[int]) -> None:
    await streams.replies(b"".join(lines), cuts)


@pytest.mark.parametrize(
    "wire",
    [
        b"5;" + b"a" * LINE_MAX + b"\r\n",
        b"5;" + b"a" * LINE_MAX,
        b"0\r\nx: " + b"a" * LINE_MAX,
        b"0\r\n" + b"x: y\r\n" * (TRAILERS_MAX + 1),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_stands_between_the_chunks_is_bounded(wire: bytes, at_once: bool) -> None:
    pieces = [wire] if at_once else split(wire, range(len(wire)))
    with pytest.raises(httpx.RemoteProtocolError):
        read_as_chunks(pieces)


@pytest.mark.parametrize(
    "line", [b"5;" + b" " * 500_000, b"5" + b" " * 500_000, b"5" * 500_000, b";" * 500_000]
)
def test_no_line_takes_more_than_linear_time(line: bytes) -> None:
    began = time.process_time()
    with pytest.raises(httpx.RemoteProtocolError):
        Chunked().feed(line)
    assert time.process_time() - began < 0.1
