"""An avatar's pictures, made ahead and put together per frame: planes of yuv420p, copied, never converted."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.talking_head.canvas import SIZE, WHOLE, Box
from adapters.talking_head.looks import Features
from adapters.talking_head.mouths import Contact, Mouth
from adapters.talking_head.portrait import EYES, MOUTH, Layers, drawn_eyes, drawn_layers, drawn_mouth

Picture = NDArray[np.uint8]  # yuv420p as PyAV takes it: rows of Y, then U, then V
POSES = 9  # of the head, from one side to the other
STRAIGHT = POSES // 2
LIDS = (1.0, 0.6, 0.3, 0.0)  # open … shut
OPENINGS = (0.0, 0.12, 0.24, 0.38, 0.54, 0.72, 0.95)
WIDTHS = (-1.0, -0.45, 0.15, 0.75)
CONTACTS: tuple[tuple[Contact, Mouth], ...] = (
    ("lips", Mouth(0.0, 0.0, "lips")),
    ("lip", Mouth(0.18, 0.05, "lip")),
    ("tongue", Mouth(0.26, 0.15, "tongue")),
    ("teeth", Mouth(0.18, 0.35, "teeth")),
)
TILT, SWAY, NOD = 1.1, 2.6, 1.0  # degrees, pixels, pixels at the outermost pose
PIVOT = (256.0, 430.0)


@dataclass(frozen=True, slots=True)
class _Planes:
    y: Picture
    u: Picture
    v: Picture


@dataclass(frozen=True, slots=True)
class _Pose:
    whole: _Planes
    eyes: tuple[_Planes, ...]
    mouths: tuple[_Planes, ...]


@dataclass(frozen=True, slots=True)
class Face:
    """What is to be seen: the head's pose, the eyes' state, the mouth."""

    pose: int
    eyes: int
    mouth: Mouth


class Sprites:
    """All pictures of one avatar; about 12 MiB. Drawing the first pose takes a moment (`draw`), the others
    may follow while it is already shown: until then the head keeps still."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._poses: dict[int, _Pose] = {}

    def draw(self) -> None:
        """Everything for a head that keeps still."""
        self._poses[STRAIGHT] = self._drawn(STRAIGHT)

    def draw_others(self, go_on: Callable[[], bool] = lambda: True) -> None:
        for pose in range(POSES):
            if pose not in self._poses and go_on():
                self._poses[pose] = self._drawn(pose)

    def frame(self, face: Face) -> Picture:
        """The picture; the caller's own."""
        pose = self._poses.get(face.pose) or self._poses[STRAIGHT]
        frame = np.empty((SIZE * 3 // 2, SIZE), np.uint8)
        chroma = frame[SIZE:].reshape(2, SIZE // 2, SIZE // 2)
        for planes, box in (
            (pose.whole, WHOLE),
            (pose.eyes[face.eyes], EYES),
            (pose.mouths[mouth_index(face.mouth)], MOUTH),
        ):
            left, top, right, bottom = box
            frame[top:bottom, left:right] = planes.y
            half = slice(top // 2, bottom // 2), slice(left // 2, right // 2)
            chroma[0][half] = planes.u
            chroma[1][half] = planes.v
        return frame

    @cached_property
    def _layers(self) -> Layers:
        return drawn_layers(self._features)

    @cached_property
    def _eyes(self) -> list[Image.Image]:
        return [drawn_eyes(self._features, lids) for lids in LIDS]

    @cached_property
    def _mouths(self) -> list[Image.Image]:
        shapes = [Mouth(opening, width) for opening in OPENINGS for width in WIDTHS]
        return [drawn_mouth(self._features, mouth) for mouth in (*shapes, *(shape for _, shape in CONTACTS))]

    def _drawn(self, pose: int) -> _Pose:
        lean = (pose - STRAIGHT) / STRAIGHT
        layers = self._layers
        under = layers.backdrop.copy()
        under.alpha_composite(_moved(layers.behind, WHOLE, lean))
        under.alpha_composite(layers.body)
        under.alpha_composite(_moved(layers.head, WHOLE, lean))
        return _Pose(
            _planes(under),
            tuple(self._patch(under, picture, EYES, lean) for picture in self._eyes),
            tuple(self._patch(under, picture, MOUTH, lean) for picture in self._mouths),
        )

    def _patch(self, under: Image.Image, picture: Image.Image, box: Box, lean: float) -> _Planes:
        """A part of the face over what lies under it, cut out where it always lies."""
        patch = under.crop(box)
        patch.alpha_composite(_moved(picture, box, lean))
        return _planes(patch)


def mouth_index(mouth: Mouth) -> int:
    """Which of the drawn mouths comes nearest."""
    shapes = len(OPENINGS) * len(WIDTHS)
    for offset, (contact, _) in enumerate(CONTACTS):
        if contact == mouth.contact:
            return shapes + offset
    row = min(range(len(OPENINGS)), key=lambda index: abs(OPENINGS[index] - mouth.opening))
    column = min(range(len(WIDTHS)), key=lambda index: abs(WIDTHS[index] - mouth.width))
    return row * len(WIDTHS) + column


def _moved(picture: Image.Image, box: Box, lean: float) -> Image.Image:
    """As the head moves it: turned about the neck and shifted. The picture shows `box` and nothing lies near
    its edges."""
    if lean == 0:
        return picture
    angle = np.deg2rad(TILT * lean)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    x, y = PIVOT[0] - box[0], PIVOT[1] - box[1]
    dx, dy = SWAY * lean, NOD * lean * lean
    # Pillow asks where each point of the result comes from.
    back = (
        *(cos, sin, x - cos * (x + dx) - sin * (y + dy)),
        *(-sin, cos, y + sin * (x + dx) - cos * (y + dy)),
    )
    return picture.transform(picture.size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)


def _planes(picture: Image.Image) -> _Planes:
    """BT.601, limited range; colour at half the resolution."""
    rgb = np.asarray(picture.convert("RGB"), np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    return _Planes(_bytes(y), _bytes(_halved(u)), _bytes(_halved(v)))


def _halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = plane.shape
    halved: NDArray[np.float32] = plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return halved


def _bytes(plane: NDArray[np.float32]) -> Picture:
    rounded: Picture = np.clip(plane + 0.5, 0, 255).astype(np.uint8)
    return rounded
