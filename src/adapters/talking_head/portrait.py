"""How an avatar is drawn: layers of a portrait whose head moves, whose eyes blink and whose mouth speaks."""

from dataclasses import dataclass

from PIL import Image

from adapters.talking_head.canvas import SIZE, Box, Canvas, Colour, Path, oval, rounded, shaded
from adapters.talking_head.looks import Features
from adapters.talking_head.mouths import REST, Mouth

EYES: Box = (120, 144, 392, 264)
MOUTH: Box = (180, 284, 332, 380)
CENTRE = 256
EYE_Y, EYE_APART = 214, 62
MOUTH_Y = 326
TEETH, DARK, TONGUE, WHITE = (253, 250, 244), (88, 26, 32), (214, 112, 112), (254, 254, 252)
BLUSH = (214, 104, 88)


@dataclass(frozen=True, slots=True)
class Layers:
    """From behind to the front, each 512 × 512 RGBA. The outer two move with the head."""

    backdrop: Image.Image
    behind: Image.Image
    body: Image.Image
    head: Image.Image


def portrait(features: Features, mouth: Mouth = REST, lids: float = 1.0) -> Image.Image:
    """The whole picture, RGB; `lids` is how far the eyes are open."""
    layers = drawn_layers(features)
    picture = layers.backdrop.copy()
    for layer in (layers.behind, layers.body, layers.head):
        picture.alpha_composite(layer)
    picture.alpha_composite(drawn_eyes(features, lids), EYES[:2])
    picture.alpha_composite(drawn_mouth(features, mouth), MOUTH[:2])
    return picture.convert("RGB")


def drawn_layers(features: Features) -> Layers:
    return Layers(_backdrop(features), _behind(features), _body(features), _head(features))


def _backdrop(features: Features) -> Image.Image:
    canvas = Canvas()
    canvas.fill([(0, 0), (SIZE, 0), (SIZE, SIZE), (0, SIZE)], features.backdrop)
    canvas.soft(CENTRE, 220, 300, 300, shaded(features.backdrop[0], 1.6), 0.5)
    return canvas.finished()


def _behind(features: Features) -> Image.Image:
    canvas = Canvas()
    hair = features.hair
    if features.hair_style == "long":
        canvas.fill(
            Path(104, 190)
            .curve((96, 40), (416, 40), (408, 190))
            .curve((412, 280), (452, 360), (428, 470))
            .bend((256, 500), (84, 470))
            .curve((60, 360), (100, 280), (104, 190)),
            (shaded(hair, 1.05), shaded(hair, 0.72)),
        )
    elif features.hair_style == "bob":
        canvas.fill(
            Path(102, 200)
            .curve((92, 36), (420, 36), (410, 200))
            .curve((414, 270), (424, 330), (404, 366))
            .bend((256, 392), (108, 366))
            .curve((88, 330), (98, 270), (102, 200)),
            (shaded(hair, 1.08), shaded(hair, 0.85)),
        )
    return canvas.finished()


def _body(features: Features) -> Image.Image:
    canvas = Canvas()
    skin, clothes = features.skin, features.clothes
    canvas.fill(
        Path(28, 512).curve((46, 428), (140, 408), (202, 392)).to((310, 392))
        .curve((372, 408), (466, 428), (484, 512)).to((28, 512)),
        (shaded(clothes, 1.08), shaded(clothes, 0.74)),
    )  # read as a table # fmt: skip
    neck = (
        Path(208, 330).bend((212, 380), (196, 398)).bend((256, 456), (316, 398)).bend((300, 380), (304, 330))
    )
    canvas.fill(neck, (shaded(skin, 0.74), shaded(skin, 0.93)))
    collar = features.collar
    canvas.fill(Path(196, 388).to((256, 452), (226, 484), (170, 402)), (collar, shaded(collar, 0.9)))
    canvas.fill(Path(316, 388).to((256, 452), (286, 484), (342, 402)), (collar, shaded(collar, 0.84)))
    return canvas.finished()


def _face(features: Features) -> Path:
    jaw = features.jaw
    chin, cheek = 52 * jaw, 84 * jaw
    return (
        Path(130, 200)
        .curve((126, 86), (386, 86), (382, 200))
        .curve((384, 268), (CENTRE + cheek + 38, 322), (CENTRE + chin, 372))
        .bend((CENTRE, 402), (CENTRE - chin, 372))
        .curve((CENTRE - cheek - 38, 322), (128, 268), (130, 200))
    )


def _head(features: Features) -> Image.Image:
    canvas = Canvas()
    skin = features.skin
    for side in (-1, 1):
        x = CENTRE + side * 128
        canvas.oval(x, 240, 19, 31, shaded(skin, 0.9))
        canvas.oval(x + side * 2, 241, 9, 18, shaded(skin, 0.78))
        if features.earrings:
            canvas.oval(x + side * 4, 282, 7, 9, features.earrings)
    face = _face(features)
    canvas.fill(face, (shaded(skin, 1.12), shaded(skin, 0.97)))
    for side in (-1, 1):
        canvas.soft(CENTRE + side * 80, 284, 50, 36, BLUSH, 0.4)
        canvas.soft(CENTRE + side * 62, 204, 52, 40, shaded(skin, 0.7), 0.28)
    canvas.soft(CENTRE, 150, 100, 60, shaded(skin, 1.5), 0.4)
    if features.beard:
        _beard(canvas, features, face)
    if features.freckles:
        for x, y in (
            (176, 268),
            (190, 276),
            (203, 266),
            (184, 286),
            (309, 266),
            (322, 277),
            (336, 268),
            (328, 287),
        ):
            canvas.oval(x, y, 2.6, 2.2, shaded(skin, 0.8))
    shadow = shaded(skin, 0.74)
    canvas.stroke(
        Path(250, 228).curve((244, 254), (234, 268), (240, 278)).bend((256, 290), (273, 277)), shadow, 4
    )
    canvas.soft(258, 268, 16, 14, shaded(skin, 1.5), 0.5)
    _HAIR[features.hair_style](canvas, features.hair)
    return canvas.finished()


def _beard(canvas: Canvas, features: Features, face: Path) -> None:
    colour = shaded(features.hair, 1.06)
    cut = (
        Path(120, 236).curve((140, 300), (170, 296), (CENTRE - 66, 300))
        .bend((CENTRE, 276), (CENTRE + 66, 300)).curve((342, 296), (372, 300), (392, 236))
        .to((400, 430), (112, 430))
    )  # read as a table # fmt: skip
    canvas.fill(cut, colour, inside=face)
    skin = shaded(features.skin, 1.0)
    canvas.oval(CENTRE, MOUTH_Y + 4, 47, 23, skin)


def _long_hair(canvas: Canvas, hair: Colour) -> None:
    canvas.fill(
        Path(112, 262).curve((84, 70), (200, 34), (276, 54)).curve((420, 60), (430, 180), (400, 262))
        .curve((396, 200), (372, 160), (330, 128)).curve((270, 104), (250, 96), (236, 100))
        .curve((190, 150), (132, 176), (112, 262)),
        (shaded(hair, 1.12), shaded(hair, 0.9)),
    )  # read as a table # fmt: skip
    canvas.stroke(Path(240, 66).curve((190, 84), (150, 120), (132, 184)), shaded(hair, 1.28), 5)
    canvas.stroke(Path(272, 70).curve((330, 78), (368, 110), (384, 170)), shaded(hair, 1.22), 4)


def _curls(canvas: Canvas, hair: Colour) -> None:
    tufts = (
        (136, 176, 27), (142, 138, 32), (166, 104, 34), (202, 82, 36), (244, 72, 38), (288, 76, 37),
        (326, 92, 35), (356, 118, 33), (374, 152, 29), (378, 182, 24), (186, 118, 30), (232, 104, 32),
        (280, 104, 32), (324, 122, 28),
    )  # read as a table # fmt: skip
    for x, y, radius in tufts:
        canvas.oval(x, y, radius, radius, shaded(hair, 0.96))
    for x, y, radius in tufts[1:9]:
        canvas.stroke(oval(x - 2, y - 5, radius * 0.5, radius * 0.45).points[:40], shaded(hair, 1.16), 3)


def _bob(canvas: Canvas, hair: Colour) -> None:
    for side in (-1, 1):

        def at(x: float, y: float, side: int = side) -> tuple[float, float]:
            return CENTRE + side * x, y

        canvas.fill(
            Path(*at(0, 48)).curve(at(130, 40), at(166, 130), at(154, 250))
            .curve(at(158, 310), at(160, 346), at(146, 372)).bend(at(118, 372), at(108, 356))
            .curve(at(128, 300), at(134, 240), at(112, 168)).to(at(0, 150)),
            (shaded(hair, 1.1), shaded(hair, 0.95)),
        )  # read as a table # fmt: skip
    canvas.fill(
        Path(132, 190)
        .curve((136, 60), (376, 60), (380, 190))
        .bend((330, 170), (256, 170))
        .bend((182, 170), (132, 190)),
        (shaded(hair, 1.1), hair),
    )
    canvas.stroke(Path(170, 110).curve((210, 80), (300, 80), (344, 112)), shaded(hair, 1.34), 7)


_HAIR = {"long": _long_hair, "curls": _curls, "bob": _bob}


def drawn_eyes(features: Features, lids: float) -> Image.Image:
    """Eyes, brows and glasses; `lids` from 0, shut, to 1, open."""
    canvas = Canvas(EYES)
    for side in (-1, 1):
        x, y = CENTRE + side * EYE_APART, EYE_Y
        half = 19 * lids
        if lids > 0.15:
            white = oval(x, y, 30, half)
            canvas.fill(white, WHITE)
            canvas.oval(
                x, y + 1, 15, 15, (shaded(features.eyes, 0.8), shaded(features.eyes, 1.25)), inside=white
            )
            canvas.oval(x, y + 1, 7.5, 7.5, (18, 16, 16), inside=white)
            canvas.oval(x + 5, y - 5, 4.4, 4.4, WHITE, inside=white)
        top = y - 2 * half if lids > 0.15 else y + 9
        lash = shaded(features.hair, 0.7)
        canvas.stroke(Path(x - 31, y + 2).bend((x, top), (x + 31, y + 2)), lash, 4.5)
        brow = shaded(features.hair, 0.85)
        inner, outer = x - side * 30, x + side * 36
        lift = 4 * (lids - 1)
        canvas.stroke(
            Path(inner, 178 - lift).bend((x, 162 - lift), (outer, 176 - lift)), brow, 8.5 * features.brows
        )
        if features.glasses == "round":
            canvas.ring(oval(x, y, 45, 43), features.glasses_colour, 4.5)
        elif features.glasses == "square":
            canvas.ring(rounded(x - 47, y - 31, x + 47, y + 35, 13), features.glasses_colour, 6)
    if features.glasses != "none":
        edge = 45 if features.glasses == "round" else 47
        bridge = Path(CENTRE - EYE_APART + edge, 206).bend((CENTRE, 196), (CENTRE + EYE_APART - edge, 206))
        canvas.stroke(bridge, features.glasses_colour, 5)
    return canvas.finished()


def drawn_mouth(features: Features, mouth: Mouth) -> Image.Image:
    canvas = Canvas(MOUTH)
    lips, x, y = features.lips, CENTRE, MOUTH_Y
    width = 41 + 14 * mouth.width - (5 * mouth.opening if mouth.width < 0 else 0)
    height = 3 + 31 * mouth.opening
    if mouth.contact == "lips" or (mouth.opening < 0.05 and mouth.contact == "none"):
        pressed = mouth.contact == "lips"
        smile = 4 if pressed else 9
        canvas.stroke(
            Path(x - width, y - 1).bend((x, y + smile), (x + width, y - 1)), lips, 7.5 if pressed else 6
        )
        if not pressed:
            canvas.stroke(Path(x - 14, y + 15).bend((x, y + 19), (x + 14, y + 15)), shaded(lips, 1.15), 3)
        return canvas.finished()
    outline = (
        Path(x - width, y)
        .curve(
            (x - width * 0.5, y - height * 0.75 - 5), (x + width * 0.5, y - height * 0.75 - 5), (x + width, y)
        )
        .curve((x + width * 0.62, y + height * 1.28), (x - width * 0.62, y + height * 1.28), (x - width, y))
    )
    canvas.fill(outline, DARK)
    if mouth.opening > 0.3 or mouth.contact == "tongue":
        low = 0.55 if mouth.contact == "none" else 0.1
        canvas.oval(x, y + height * (low + 0.55), width * 0.56, height * 0.62, TONGUE, inside=outline)
    above = rounded(
        x - width * 0.76, y - height * 0.8 - 8, x + width * 0.76, y - height * 0.5 + 4 + height * 0.2, 5
    )
    canvas.fill(above, TEETH, inside=outline)
    if mouth.contact == "teeth":
        below = rounded(x - width * 0.7, y + height * 0.26, x + width * 0.7, y + height * 1.3, 5)
        canvas.fill(below, shaded(TEETH, 0.95), inside=outline)
    canvas.ring(outline, lips, 6)
    if mouth.contact == "lip":
        canvas.fill(
            rounded(x - width * 0.66, y + height * 0.2, x + width * 0.66, y + height * 0.2 + 10, 5), lips
        )
    return canvas.finished()
