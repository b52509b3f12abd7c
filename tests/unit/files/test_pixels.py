"""How large a picture says it is, without looking at its pixels."""

import io
import random

import pytest

from application.files.pixels import MAX_PIXELS, pixels
from tests.images import a_bomb, a_jpeg, a_picture


def found(content: bytes) -> int:
    return pixels(io.BytesIO(content))


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (640, 3)])
def test_of_real_pictures(size: tuple[int, int]) -> None:
    expected = size[0] * size[1]
    assert found(a_picture(size)) == expected
    assert found(a_jpeg(size)) == expected
    assert found(a_jpeg(size, progressive=True)) == expected
    assert found(a_jpeg(size, "L", exif=b"Exif\x00\x00" + b"\xff\xc0" * 30_000)) == expected


def test_of_bombs() -> None:
    assert found(a_bomb()) == 60_000 * 60_000 > MAX_PIXELS
    assert found(a_bomb(10_000, 10_000)) == MAX_PIXELS
    jpeg = bytearray(a_jpeg())
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    assert found(bytes(jpeg)) == 65_535 * 65_535


def test_the_largest_frame_counts() -> None:
    small, large = a_jpeg((2, 2)), a_jpeg((50, 40))
    frame = large[large.index(b"\xff\xc0") : large.index(b"\xff\xc4")]
    assert found(small[:2] + frame + small[2:]) == 2000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xc0\x00\x11",
        b"\xff\xd8\xff\xc0\x00\x00\x08\xff\xff\xff\xff",
        b"\xff\xd8" + b"\xff" * 100,
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 20_000,
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        a_bomb()[:20],
        b"GIF89a" + b"\xff" * 20,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_does_not_say_has_none(content: bytes) -> None:
    assert found(content) == 0


def test_of_whatever_comes() -> None:
    chance = random.Random(7)
    good = [a_jpeg(), a_picture()]
    for _ in range(2000):
        bytes_ = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 6)):
            bytes_[chance.randrange(min(len(bytes_), 700))] = chance.randrange(256)
        assert found(bytes(bytes_[: chance.randrange(len(bytes_))])) >= 0
