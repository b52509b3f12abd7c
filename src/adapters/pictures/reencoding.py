"""Foreign bytes to a picture of our own making. Nothing of what was sent is kept but the pixels."""

import struct
import zlib
from io import BytesIO

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from domain.document import BadFile

SIDE = 1024
MAX_PIXELS = 40_000_000
MAX_SCANS = 50  # a progressive JPEG has about ten; each one costs a pass over all its pixels
NOT_A_PICTURE = "Invalid file type."
TOO_MANY_PIXELS = "Image has too many pixels (max 40 megapixels)"

_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "png": PngImageFile,
    "jpg": JpegImageFile,
    "jpeg": JpegImageFile,
}
_ORIENTATION = 0x0112
_UPRIGHT = {  # what a camera notes instead of turning the pixels
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def reencoded(content: bytes, extension: str) -> bytes:
    """The picture, upright, at most 1024 x 1024, as a fresh PNG (`png`) or JPEG (`jpg`, `jpeg`). Raises
    BadFile. Needs at most a few hundred megabytes, whatever is sent."""
    try:
        # these two readers and no other: asked by its general name, the library tries every format it knows
        with _READERS[extension](BytesIO(content)) as image:
            return _fresh(image, content)
    except _BROKEN as error:  # as decoders fail on hostile input
        raise BadFile(NOT_A_PICTURE) from error


def _fresh(image: ImageFile.ImageFile, content: bytes) -> bytes:
    if image.width * image.height > MAX_PIXELS:  # from the header: nothing is decoded yet
        raise BadFile(TOO_MANY_PIXELS)
    jpeg = isinstance(image, JpegImageFile)
    if jpeg and content.count(b"\xff\xda") > MAX_SCANS:
        raise BadFile(NOT_A_PICTURE)
    turn = _UPRIGHT.get(_orientation(image))
    small = image if jpeg else _in_colour(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)  # a JPEG is decoded at a fraction of its size
    if turn is not None:
        small = small.transpose(turn)
    return _written(small, "JPEG" if jpeg else "PNG")


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION)
    except _BROKEN:  # metadata goes anyway; the picture may be fine
        return 1
    return found if isinstance(found, int) else 1


def _in_colour(image: Image.Image) -> Image.Image:
    """Pixels that can be averaged, with their transparency if they have any."""
    if image.mode.startswith("I"):  # 16 bits of grey; converting alone would cut off instead of scaling
        image = image.point(lambda grey: grey * (1 / 256)).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _written(image: Image.Image, format: str) -> bytes:
    bare = image.convert("RGB") if format == "JPEG" else image.copy()
    bare.info.clear()  # comments and profiles would be written again
    out = BytesIO()
    bare.save(out, format=format, quality=85, optimize=format == "JPEG")
    return out.getvalue()
