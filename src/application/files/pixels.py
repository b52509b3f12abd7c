"""How large a picture is, from its header alone: nothing is decoded, so nothing can blow up."""

import struct
from typing import BinaryIO

MAX_PIXELS = 100_000_000
TOO_MANY_PIXELS = "Image has too many pixels (max 100 megapixels)"

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of all codings; the others are tables
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_MOST_SEGMENTS = 10_000


def pixels(file: BinaryIO) -> int:
    """Of a PNG or a JPEG; 0 where its header does not say: no decoder can do anything with such a file."""
    file.seek(0)
    head = file.read(24)
    if head.startswith(_PNG):
        return _of_png(head)
    return _of_jpeg(file) if head.startswith(_JPEG) else 0


def _of_png(head: bytes) -> int:
    if len(head) < 24 or head[12:16] != b"IHDR":
        return 0
    width, height = struct.unpack(">II", head[16:24])
    return int(width * height)


def _of_jpeg(file: BinaryIO) -> int:
    """A picture may have several frames: the largest counts."""
    file.seek(len(_JPEG))
    largest = 0
    for _ in range(_MOST_SEGMENTS):
        marker = _marker(file)
        if marker is None or marker == 0xDA:  # the pixels themselves begin
            return largest
        if marker in _ALONE:
            continue
        length = int.from_bytes(file.read(2))
        if length < 2:
            return largest
        if marker in _FRAMES and length >= 7:
            _, height, width = struct.unpack(">BHH", file.read(5).ljust(5, b"\0"))
            largest = max(largest, width * height)
            length -= 5
        file.seek(length - 2, 1)
    return largest


def _marker(file: BinaryIO) -> int | None:
    if file.read(1) != b"\xff":
        return None
    code = file.read(1)
    while code == b"\xff":  # padding
        code = file.read(1)
    return code[0] if code else None
