import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.errors import BadAnswer
from adapters.http.sse import EventData

TEXTS = st.lists(
    st.text(st.characters(codec="utf-8") | st.sampled_from("\u2028\u2029\x85\x0b\x0c\r\n"), max_size=30)
)
CUTS = st.lists(st.integers(0, 10_000), max_size=40)


def read(*pieces: bytes, limit: int = 1000) -> list[bytes]:
    parser = EventData(limit)
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


def split(wire: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    return [wire[a:b] for a, b in pairwise(edges)]


@given(TEXTS, CUTS, st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"data: ", b"data:"]))
def test_no_split_changes_the_events(
    texts: list[str], cuts: list[int], newline: bytes, prefix: bytes
) -> None:
    events = [json.dumps({"chunk": text}, ensure_ascii=False).encode() for text in texts]
    wire = b"".join(prefix + event + newline * 2 for event in events)

    assert read(*split(wire, cuts)) == events


@given(st.binary(max_size=300), CUTS)
def test_any_bytes_are_read_the_same_however_they_are_split(wire: bytes, cuts: list[int]) -> None:
    assert read(*split(wire, cuts)) == read(wire)


@pytest.mark.parametrize(
    "odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "data: ", "data:data: x"]
)
def test_only_lf_ends_a_line_and_only_the_first_prefix_goes(odd: str) -> None:
    assert read(f"data: a{odd}b\n\n".encode()) == [f"a{odd}b".encode()]


def test_one_blank_after_the_colon_goes_and_no_more() -> None:
    assert read(b"data:  a\ndata:b\ndata: c \r\n") == [b" a", b"b", b"c "]


def test_what_is_no_data_says_nothing() -> None:
    assert read(b": ping\n\nevent: x\nid: 1\nretry: 5\nDATA: a\n data: b\ndata\ndata:\ndata: \r\n") == []


def test_a_last_line_without_lf_counts() -> None:
    assert read(b"data: a\n\nda", b"ta: b") == [b"a", b"b"]


@pytest.mark.parametrize(
    "pieces", [[b"data: " + b"x" * 995 + b"\n"], [b"x" * 1001], [b"a\n" + b"x" * 1001], [b"x"] * 1001]
)
def test_a_line_beyond_the_limit_is_refused_while_it_is_read(pieces: list[bytes]) -> None:
    with pytest.raises(BadAnswer):
        read(*pieces)


def test_a_line_at_the_limit_passes() -> None:
    assert read(b"data: " + b"x" * 994 + b"\n") == [b"x" * 994]


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    wire = b"data: " + b"x" * (1024 * 1024 - 8) + b"\n"
    began = time.process_time()

    events = read(*(wire[at : at + 16] for at in range(0, len(wire), 16)), limit=1024 * 1024)

    assert len(events) == 1
    assert time.process_time() - began < 1  # copying the rest at every piece would take half a minute
