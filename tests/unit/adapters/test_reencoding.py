from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adapters.pictures.reencoding import NOT_A_PICTURE, TOO_MANY_PIXELS, reencoded
from domain.document import BadFile
from tests.images import a_bomb, a_jpeg, a_picture, opened

SECRET = b"52.5200 N 13.4050 E"


def grey(image: Image.Image, x: int, y: int) -> int:
    value = image.convert("L").getpixel((x, y))
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_every_kind_of_png_becomes_a_plain_one(mode: str) -> None:
    image = opened(reencoded(a_picture(mode=mode), "png"))

    assert (image.format, image.size) == ("PNG", (64, 48))
    assert image.mode == ("RGBA" if mode in ("RGBA", "LA") else "RGB")
    assert grey(image, 2, 2) < 60
    assert grey(image, 60, 2) > 150


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("extension", ["jpg", "jpeg"])
def test_every_kind_of_jpeg_becomes_a_plain_one(mode: str, progressive: bool, extension: str) -> None:
    image = opened(reencoded(a_jpeg(mode=mode, progressive=progressive), extension))

    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 48))
    assert grey(image, 60, 2) > grey(image, 2, 2) if mode != "CMYK" else True


@pytest.mark.parametrize("depth", [0, 100, 30_000, 65_535])
def test_sixteen_bits_are_scaled_not_cut_off(depth: int) -> None:
    out = BytesIO()
    Image.new("I;16", (8, 8), depth).save(out, "PNG")

    assert grey(opened(reencoded(out.getvalue(), "png")), 4, 4) == depth >> 8


def test_transparency_stays() -> None:
    image = Image.new("P", (8, 8), 3)
    image.putpalette(list(range(256)) * 3)
    out = BytesIO()
    image.save(out, "PNG", transparency=3)
    pixel = opened(reencoded(out.getvalue(), "png")).getpixel((4, 4))

    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1024, 1024), (1024, 1024)),
        ((10, 7), (10, 7)),
        ((3000, 1500), (1024, 512)),
        ((1025, 3), (1024, 3)),
        ((2, 5000), (1, 1024)),
        ((1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_a_picture_is_fitted_and_never_enlarged(
    size: tuple[int, int], fitted: tuple[int, int], extension: str
) -> None:
    made = a_picture(size) if extension == "png" else a_jpeg(size)

    assert opened(reencoded(made, extension)).size == fitted


@pytest.mark.parametrize(
    ("orientation", "light_at"), [(1, (60, 24)), (3, (4, 24)), (6, (24, 60)), (8, (24, 4))]
)
@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_a_picture_is_turned_as_the_camera_noted(
    orientation: int, light_at: tuple[int, int], extension: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = a_picture(exif=exif) if extension == "png" else a_jpeg(exif=exif)
    image = opened(reencoded(made, extension))

    assert grey(image, *light_at) > 200
    assert not image.getexif()


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_is_none_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert opened(reencoded(a_jpeg(exif=exif), "jpg")).size == (64, 48)


@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning")
def test_broken_metadata_does_no_harm() -> None:
    assert reencoded(a_jpeg(exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + b"\xff" * 40), "jpg")


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    jpeg = a_jpeg(exif=exif, comment=SECRET, icc_profile=b"profile " + SECRET)
    notes = PngInfo()
    notes.add_text("Comment", SECRET.decode())
    png = a_picture(exif=exif, pnginfo=notes, icc_profile=b"profile " + SECRET)
    polyglot = b"<script>alert(1)</script>PK\x03\x04"
    for made, extension in ((jpeg, "jpg"), (png, "png")):
        kept = reencoded(made + polyglot, extension)
        assert SECRET not in kept
        assert b"script" not in kept
        assert not {"exif", "comment", "icc_profile", "Comment"} & opened(kept).info.keys()


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (b"", "png"),
        (b"", "jpg"),
        (b"not a picture at all", "png"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "jpg"),
        (a_picture(), "jpg"),
        (a_jpeg(), "png"),
        (a_picture(format="GIF"), "png"),
        (a_picture(format="BMP"), "jpg"),
        (a_picture(format="WEBP"), "png"),
        (a_picture(format="TIFF"), "jpg"),
        (a_picture((300, 300))[:200], "png"),
        (a_jpeg((300, 300))[:-200], "jpg"),
        (a_bomb(0, 10), "png"),
        (a_bomb(100, 100), "png"),  # fewer pixels than announced
    ],
)
def test_what_is_no_such_picture_is_refused(content: bytes, extension: str) -> None:
    with pytest.raises(BadFile, match=NOT_A_PICTURE):
        reencoded(content, extension)


@pytest.mark.parametrize("size", [(60_000, 60_000), (40_000_001, 1), (6325, 6325), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_one_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(BadFile) as caught:
        reencoded(a_bomb(*size), "png")
    assert caught.value.msg == TOO_MANY_PIXELS


def test_a_jpeg_of_endless_passes_is_refused() -> None:
    made = a_jpeg((256, 256), progressive=True)
    last = made[made.rindex(b"\xff\xda") : -2]
    with pytest.raises(BadFile):
        reencoded(made[:-2] + last * 100 + made[-2:], "jpg")


def test_an_animation_becomes_its_first_picture() -> None:
    out = BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black", "black")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    image = opened(reencoded(out.getvalue(), "png"))

    assert getattr(image, "n_frames", 1) == 1
    assert grey(image, 4, 4) == 255


@pytest.mark.filterwarnings("ignore::UserWarning")  # of damaged metadata
@given(data=st.data(), extension=st.sampled_from(["png", "jpg"]))
@settings(max_examples=300, deadline=None)
def test_a_damaged_picture_is_refused_or_shown_never_a_bug(data: st.DataObject, extension: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = bytearray(
        a_picture((40, 30), exif=exif)
        if extension == "png"
        else a_jpeg((40, 30), exif=exif, progressive=True)
    )
    for _ in range(data.draw(st.integers(1, 6))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(made)) | st.none())
    with suppress(BadFile):
        reencoded(bytes(made[:cut]), extension)
