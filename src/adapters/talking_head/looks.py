"""The avatars that this machine can draw and voice by itself: what the catalogue says of them, how they look
and how they sound. Plain data; only `preview` draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Literal

Colour = tuple[int, int, int]
TTS_MODEL = "Piper"
AVATAR_MODEL = "Drawn2D"


@dataclass(frozen=True, slots=True)
class Tone:
    """How one and the same voice is made to sound. `size` scales pitch and vocal tract together, as a
    smaller or larger head would; `pace` is the speed of speech."""

    size: float = 1.0
    pace: float = 1.0
    liveliness: float = 0.667  # how much intonation and timing vary


@dataclass(frozen=True, slots=True)
class Features:
    """What the drawing needs to know."""

    skin: Colour
    hair: Colour
    hair_style: Literal["long", "curls", "bob"]
    eyes: Colour
    lips: Colour
    clothes: Colour
    collar: Colour
    backdrop: tuple[Colour, Colour]  # above, below
    jaw: float  # half the width of the chin, 1 is oval, more is square
    glasses: Literal["none", "round", "square"]
    glasses_colour: Colour = (40, 40, 46)
    beard: bool = False
    brows: float = 1.0  # how thick
    freckles: bool = False
    earrings: Colour | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """An avatar of ours, under the field names of the catalogue where it has them."""

    name: str
    description: str
    timbre: str
    tone: Tone
    features: Features
    tts_model: str = TTS_MODEL
    avatar_model: str = AVATAR_MODEL


ADA = Look(
    name="ada",
    description="Ada, drawn: auburn hair, round glasses; a bright voice",
    timbre="Bright",
    tone=Tone(size=1.17, pace=1.0),
    features=Features(
        skin=(246, 205, 172),
        hair=(142, 62, 34),
        hair_style="long",
        eyes=(74, 122, 84),
        lips=(199, 88, 86),
        clothes=(24, 122, 118),
        collar=(244, 238, 226),
        backdrop=((250, 224, 190), (232, 178, 132)),
        jaw=0.92,
        glasses="round",
        glasses_colour=(92, 60, 44),
        brows=0.8,
        freckles=True,
    ),
)
BRUNO = Look(
    name="bruno",
    description="Bruno, drawn: short curls and a beard; a deep, calm voice",
    timbre="Deep",
    tone=Tone(size=0.92, pace=0.94, liveliness=0.6),
    features=Features(
        skin=(150, 98, 66),
        hair=(38, 28, 26),
        hair_style="curls",
        eyes=(70, 44, 28),
        lips=(118, 56, 52),
        clothes=(196, 92, 42),
        collar=(60, 72, 96),
        backdrop=((70, 104, 138), (32, 52, 78)),
        jaw=1.14,
        glasses="none",
        beard=True,
        brows=1.35,
    ),
)
MEI = Look(
    name="mei",
    description="Mei, drawn: black bob, square glasses; a light, quick voice",
    timbre="Light",
    tone=Tone(size=1.27, pace=1.07, liveliness=0.75),
    features=Features(
        skin=(252, 220, 190),
        hair=(28, 26, 36),
        hair_style="bob",
        eyes=(58, 38, 30),
        lips=(208, 72, 92),
        clothes=(104, 78, 158),
        collar=(238, 234, 246),
        backdrop=((214, 206, 240), (156, 150, 208)),
        jaw=0.98,
        glasses="square",
        glasses_colour=(176, 40, 60),
        brows=0.9,
        earrings=(228, 184, 78),
    ),
)
LOOKS: Mapping[str, Look] = MappingProxyType({look.name: look for look in (ADA, BRUNO, MEI)})


def preview(look: Look) -> bytes:
    """A PNG of the avatar at rest, 512 × 512: the first picture a viewer would see. Takes about a tenth of a
    second of one core."""
    from adapters.talking_head.portrait import portrait  # asks for Pillow and numpy, the catalogue does not

    picture = BytesIO()
    portrait(look.features).save(picture, "PNG", optimize=True)
    return picture.getvalue()
