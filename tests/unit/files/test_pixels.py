"""How large a picture says it is, without looking at its pixels."""

import io
import random

import pytest
from PIL import Image

from application.files.pixels import MAX_PIXELS, MOST_PIECES, pixels
from domain.document import BadFile
from tests.images import a_bomb, a_jpeg, a_picture, behind, chunk, opened


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
    assert found(saying(b"\xff\xff\xff\xff")) == 65_535 * 65_535


def saying(size: bytes) -> bytes:
    """A JPEG whose frame says so."""
    jpeg = bytearray(a_jpeg())
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = size
    return bytes(jpeg)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00",
        b"\x00" * 70_000,
        b"\xff",
        b"\xff" * 1000,
        b"\xff\x00",
        b"\xff\x00\x00\x40",
        b"\xff\xfe\x00\x02",
        b"\xff\xfe\x00\x00",
        b"\xff\xfe\x00\x01",
        b"\xff\xd0",
        b"\xff\xfe\x00\x04\xff\xda",
    ],
    ids=lambda junk: junk[:8].hex(),
)
def test_what_a_decoder_passes_over_hides_no_frame(junk: bytes) -> None:
    picture = behind(junk, a_jpeg((50, 40)))
    assert opened(picture).size == (50, 40)
    assert found(picture) == 2000


@pytest.mark.parametrize("marker", [b"\xff\xf0", b"\xff\xc8"])
def test_a_marker_that_is_none_hides_no_frame(marker: bytes) -> None:
    picture = behind(marker, a_jpeg((50, 40)))
    assert Image.open(io.BytesIO(picture)).size == (50, 40)  # some decoders go as far as that
    assert found(picture) == 2000


def test_a_late_or_second_header_is_found() -> None:
    content = a_picture((50, 40))
    start, head = content[:8], content[8:33]
    assert found(start + chunk(b"teXt", b"IDAT") + content[8:]) == 2000
    larger = a_picture((60, 50))
    twice = start + head + chunk(b"teXt", b"") + larger[8:]
    assert opened(twice).size == (60, 50)
    assert found(twice) == 3000


def test_what_says_its_height_in_the_end_may_be_of_any() -> None:
    assert found(saying(b"\x00\x00\x00\x02")) == 65_535 * 2


@pytest.mark.parametrize(
    "pieces",
    [
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * MOST_PIECES,
        b"\xff\xd8" + b"\xff\xd0" * MOST_PIECES,
        b"\x89PNG\r\n\x1a\n" + chunk(b"teXt", b"") * MOST_PIECES,
    ],
    ids=["segments", "markers", "chunks"],
)
def test_what_is_in_too_many_pieces_is_no_picture(pieces: bytes) -> None:
    assert found(pieces) == 0
    with pytest.raises(BadFile, match="File content does not match its type"):
        found(pieces + pieces[-12:])


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
        b"\xff\xd8" + b"\xff" * 100,
        b"\xff\xd8" + bytes(5_000_000),
        b"\xff\xd8" + b"\xff" * 5_000_000,
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
