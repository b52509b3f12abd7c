"""How large a picture is, from its headers alone: nothing is decoded, so nothing can blow up.

What decoders pass over is passed over here too, and what is in doubt counts as large: a picture may be
smaller than we say, never larger.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from domain.document import MISMATCH, BadFile

MAX_PIXELS = 100_000_000
TOO_MANY_PIXELS = "Image has too many pixels (max 100 megapixels)"
MOST_PIECES = 10_000  # in front of its pixels; real pictures have a few hundred at most

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff([^\x00\xff])")  # FF FF is padding, and FF 00 no marker at all
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xDE}) - {0xC4, 0xC8, 0xCC}  # of all codings
_SEGMENTS = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDF, *range(0xE0, 0xF0), 0xFE}
_PIXELS_BEGIN = 0xDA
_MOST_LINES = 0xFFFF


def pixels(file: BinaryIO) -> int:
    """Of a PNG or a JPEG, by the largest of its headers; 0 where none of them says anything. Raises BadFile
    when it is in more pieces than any real one."""
    file.seek(0)
    content = file.read()
    largest = 0
    for count, size in enumerate(_sizes(content)):
        if count == MOST_PIECES:
            raise BadFile(MISMATCH)
        largest = max(largest, size)
    return largest


def _sizes(content: bytes) -> Iterator[int]:
    """What each piece in front of the pixels says; 0: nothing."""
    if content.startswith(_PNG):
        return _of_png(content)
    return _of_jpeg(content) if content.startswith(_JPEG) else iter(())


def _of_png(content: bytes) -> Iterator[int]:
    """Not every decoder minds a header that comes late or twice."""
    at = len(_PNG)
    while (kind := content[at + 4 : at + 8]) and kind != b"IDAT":
        yield _number(content, at + 8, 4) * _number(content, at + 12, 4) if kind == b"IHDR" else 0
        at += 12 + _number(content, at, 4)


def _of_jpeg(content: bytes) -> Iterator[int]:
    """Not every decoder minds junk between two segments, a marker that is none, or a length that leaves no
    room for itself."""
    at = len(_JPEG)
    while (found := _MARKER.search(content, at)) and (marker := found[1][0]) != _PIXELS_BEGIN:
        at = found.end()
        if marker in _FRAMES:
            height = _number(content, at + 3, 2) or _MOST_LINES  # 0: it says so behind the pixels
            yield height * _number(content, at + 5, 2)
        else:
            yield 0
        if marker in _SEGMENTS:
            at += max(2, _number(content, at, 2))


def _number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size])
