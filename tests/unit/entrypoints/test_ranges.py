"""Conditional requests and ranges, as RFC 9110 has them."""

import pytest

from entrypoints.http.errors import PreconditionFailed, RangeNotSatisfiable
from entrypoints.http.ranges import Part, asked_part

TAG = '"abc"'
WHOLE = Part(0, 100, 100, asked=False)


def part(size: int = 100, **headers: str) -> Part | None:
    return asked_part({name.replace("_", "-"): value for name, value in headers.items()}, size, TAG)


@pytest.mark.parametrize(
    ("asked", "start", "length"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, 90),
        ("bytes=-10", 90, 10),
        ("bytes=0-0", 0, 1),
        ("bytes=99-99", 99, 1),
        ("bytes=90-1000", 90, 10),
        ("bytes=-1000", 0, 100),
        ("BYTES= 5-6 ", 5, 2),
        ("bytes=0000000000000000000000005-6", 5, 2),
        ("bytes=0-99999999999999999999999999", 0, 100),
    ],
)
def test_parts(asked: str, start: int, length: int) -> None:
    found = part(range=asked)
    assert found == Part(start, length, 100)
    assert found.content_range == f"bytes {start}-{start + length - 1}/100"


@pytest.mark.parametrize(
    "asked",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,5-9", "lines=0-5", "bytes=١-٢"],
)
def test_what_is_no_range_is_answered_with_the_whole(asked: str) -> None:
    assert part(range=asked) == WHOLE


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"])
def test_what_lies_beyond_the_end(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        part(range=asked)
    assert caught.value.headers == {"Content-Range": "bytes */100"}


@pytest.mark.parametrize("known", [TAG, f"W/{TAG}", "*", f'"x", {TAG}', f'"x",W/{TAG} '])
def test_who_has_it_already(known: str) -> None:
    assert part(if_none_match=known) is None
    assert part(if_none_match=known, range="bytes=0-1") is None


@pytest.mark.parametrize("known", ['"x"', "abc", "", 'W/"x"'])
def test_who_has_another_one(known: str) -> None:
    assert part(if_none_match=known) == WHOLE


def test_who_insists_on_one() -> None:
    assert part(if_match=TAG) == part(if_match="*") == WHOLE
    for other in ('"x"', f"W/{TAG}", ""):
        with pytest.raises(PreconditionFailed):
            part(if_match=other)


def test_who_goes_on_with_a_part() -> None:
    assert part(if_range=TAG, range="bytes=5-") == Part(5, 95, 100)
    for other in ('"x"', f"W/{TAG}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert part(if_range=other, range="bytes=5-") == WHOLE
