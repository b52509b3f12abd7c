"""Pictures for tests, drawn on the spot."""

import struct
import zlib
from io import BytesIO

from PIL import Image


def a_picture(
    size: tuple[int, int] = (64, 48), mode: str = "RGB", *, format: str = "PNG", **options: object
) -> bytes:
    """Left half dark, right half light."""
    if mode == "I;16":
        row = bytes(size[0] // 2 * 2) + struct.pack("<H", 50_000) * (size[0] - size[0] // 2)
        image = Image.frombytes(mode, size, row * size[1])
    else:
        drawn = Image.new("RGB", size)
        drawn.paste((255, 255, 255), (size[0] // 2, 0, *size))
        image = drawn.convert(mode)
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def a_jpeg(size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    return a_picture(size, mode, format="JPEG", **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def a_bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few bytes that says it is enormous."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def behind(junk: bytes, jpeg: bytes) -> bytes:
    """The JPEG with something between its first segment and the others."""
    at = 4 + int.from_bytes(jpeg[4:6])
    return jpeg[:at] + junk + jpeg[at:]


def a_jpeg_bomb(width: int = 12_000, height: int = 12_000) -> bytes:
    """A JPEG of a few bytes that says it is enormous, if one can find where."""
    jpeg = bytearray(behind(b"\x00", a_jpeg()))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(jpeg)


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image
