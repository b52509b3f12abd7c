"""Drawing with paths on a small canvas, smooth at the edges because everything is drawn three times as large.
Coordinates are those of the finished 512 × 512 picture, also on a canvas that shows only a part of it."""

from collections.abc import Sequence
from typing import TypeGuard

from PIL import Image, ImageChops, ImageDraw

SIZE = 512
SCALE = 3
STEPS = 24  # straight pieces that stand for a curve

Point = tuple[float, float]
Box = tuple[int, int, int, int]  # left, top, right, bottom
Colour = tuple[int, int, int]
Paint = Colour | tuple[Colour, Colour]  # one colour, or a gradient from above to below
WHOLE: Box = (0, 0, SIZE, SIZE)
_EDGE = 181  # what Pillow's radial gradient has reached in the middle of its sides


def shaded(colour: Colour, factor: float) -> Colour:
    """Darker below 1, lighter above."""
    if factor <= 1:
        red, green, blue = (round(part * factor) for part in colour)
    else:
        red, green, blue = (round(part + (255 - part) * (factor - 1)) for part in colour)
    return red, green, blue


class Path:
    """An outline: where it starts, and on from there."""

    def __init__(self, x: float, y: float) -> None:
        self.points: list[Point] = [(x, y)]

    def to(self, *points: Point) -> "Path":
        self.points += points
        return self

    def bend(self, control: Point, end: Point) -> "Path":
        (ax, ay), (bx, by), (cx, cy) = self.points[-1], control, end
        for step in range(1, STEPS + 1):
            t = step / STEPS
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
            self.points.append((a * ax + b * bx + c * cx, a * ay + b * by + c * cy))
        return self

    def curve(self, first: Point, second: Point, end: Point) -> "Path":
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.points[-1], first, second, end
        for step in range(1, STEPS + 1):
            t = step / STEPS
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            self.points.append((a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy))
        return self


class Canvas:
    """Transparent at first."""

    def __init__(self, box: Box = WHOLE) -> None:
        self.box = box
        self._size = ((box[2] - box[0]) * SCALE, (box[3] - box[1]) * SCALE)
        self._image = Image.new("RGBA", self._size)

    def fill(self, path: Path | Sequence[Point], paint: Paint, *, inside: Path | None = None) -> None:
        """With `inside`, only where that path is filled as well."""
        points = self._scaled(path)
        if inside is None and _is_plain(paint):
            ImageDraw.Draw(self._image).polygon(points, fill=paint)
            return
        box = self._around(points)
        if box is None:
            return
        mask = _filled(points, box)
        if inside is not None:
            mask = ImageChops.multiply(mask, _filled(self._scaled(inside), box))
        self._image.paste(_painted(paint, box), box[:2], mask)

    def stroke(self, path: Path | Sequence[Point], colour: Colour, width: float) -> None:
        points = self._scaled(path)
        draw = ImageDraw.Draw(self._image)
        draw.line(points, fill=colour, width=round(width * SCALE), joint="curve")
        radius = width * SCALE / 2
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def oval(
        self, x: float, y: float, rx: float, ry: float, paint: Paint, inside: Path | None = None
    ) -> None:
        self.fill(oval(x, y, rx, ry), paint, inside=inside)

    def ring(self, path: Path, colour: Colour, width: float) -> None:
        self.stroke([*path.points, *path.points[:2]], colour, width)

    def soft(self, x: float, y: float, rx: float, ry: float, colour: Colour, strength: float) -> None:
        """A breath of colour that fades outwards, only on what has been drawn already."""
        points = self._scaled([(x - rx, y - ry), (x + rx, y + ry)])
        (left, top), (right, bottom) = points
        whole = (round(left), round(top), round(right), round(bottom))
        box = self._around(points)
        if box is None:
            return
        fading = Image.radial_gradient("L").resize((whole[2] - whole[0], whole[3] - whole[1]))
        fading = fading.point([round(strength * max(0, 255 - level * 255 / _EDGE)) for level in range(256)])
        part = fading.crop(tuple(side - whole[index % 2] for index, side in enumerate(box)))  # type: ignore[arg-type]  # four
        under = self._image.crop(box)
        breath = Image.new("RGBA", under.size, colour)
        breath.putalpha(ImageChops.multiply(part, under.getchannel("A")))
        self._image.alpha_composite(breath, box[:2])

    def finished(self) -> Image.Image:
        """RGBA, as large as the box."""
        return self._image.reduce(SCALE)

    def _scaled(self, path: Path | Sequence[Point]) -> list[Point]:
        points = path.points if isinstance(path, Path) else path
        return [((x - self.box[0]) * SCALE, (y - self.box[1]) * SCALE) for x, y in points]

    def _around(self, points: Sequence[Point]) -> Box | None:
        """The part of the canvas that they touch, if any."""
        left, top = (max(0, int(min(point[axis] for point in points))) for axis in (0, 1))
        right, bottom = (
            min(self._size[axis], int(max(point[axis] for point in points)) + 2) for axis in (0, 1)
        )
        return (left, top, right, bottom) if left < right and top < bottom else None


def _is_plain(paint: Paint) -> TypeGuard[Colour]:
    return isinstance(paint[0], int)


def _filled(points: Sequence[Point], box: Box) -> Image.Image:
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(mask).polygon([(x - box[0], y - box[1]) for x, y in points], fill=255)
    return mask


def _painted(paint: Paint, box: Box) -> Image.Image:
    size = (box[2] - box[0], box[3] - box[1])
    if _is_plain(paint):
        return Image.new("RGBA", size, paint)
    above, below = (Image.new("RGBA", size, colour) for colour in paint)
    return Image.composite(below, above, Image.linear_gradient("L").resize(size))


def oval(x: float, y: float, rx: float, ry: float) -> Path:
    k = 0.5523  # makes four curves look like an ellipse
    return (
        Path(x - rx, y)
        .curve((x - rx, y - k * ry), (x - k * rx, y - ry), (x, y - ry))
        .curve((x + k * rx, y - ry), (x + rx, y - k * ry), (x + rx, y))
        .curve((x + rx, y + k * ry), (x + k * rx, y + ry), (x, y + ry))
        .curve((x - k * rx, y + ry), (x - rx, y + k * ry), (x - rx, y))
    )


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> Path:
    r = min(radius, (right - left) / 2, (bottom - top) / 2)
    return (
        Path(left + r, top)
        .to((right - r, top))
        .bend((right, top), (right, top + r))
        .to((right, bottom - r))
        .bend((right, bottom), (right - r, bottom))
        .to((left + r, bottom))
        .bend((left, bottom), (left, bottom - r))
        .to((left, top + r))
        .bend((left, top), (left + r, top))
    )
