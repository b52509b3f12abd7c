"""What a mouth does while phonemes are spoken. Neighbouring sounds pull at each other: the lips round before
an `oo` is heard, and close for every `m` however short."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Contact = Literal["none", "lips", "lip", "tongue", "teeth"]
STEP = 0.01  # seconds between two points of a track
LEAD = 0.02  # the lips are ahead of the sound
SHORTEST = 0.05  # seconds a closure is seen, so that a picture falls into it
REACH = 0.06  # seconds over which a sound's pull on its neighbours fades


@dataclass(frozen=True, slots=True)
class Mouth:
    """`opening` from 0 to 1, `width` from -1 (rounded) to 1 (spread), and what touches what: the lips each
    other (m), the lower lip the teeth (f), the tongue the teeth (th), the teeth each other (s)."""

    opening: float = 0.0
    width: float = 0.0
    contact: Contact = "none"


@dataclass(frozen=True, slots=True)
class Phone:
    """A phoneme and how long it is heard, in seconds."""

    symbol: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Target:
    mouth: Mouth
    pull: float  # how little it gives way to its neighbours


REST = Mouth(0.0, 0.15)
_SILENT = _Target(REST, 0.7)


def _targets() -> Mapping[str, _Target]:
    rows: tuple[tuple[str, float, float, Contact, float], ...] = (
        ("pbm", 0.0, 0.0, "lips", 3.0),
        ("fv", 0.18, 0.05, "lip", 2.0),
        ("θð", 0.26, 0.15, "tongue", 1.6),
        ("sz", 0.16, 0.45, "teeth", 1.3),
        ("ʃʒ", 0.24, -0.45, "teeth", 1.6),
        ("tdnlɾ", 0.2, 0.15, "none", 0.5),
        ("kɡgŋhxʔ", 0.26, 0.0, "none", 0.35),
        ("ɹr", 0.26, -0.35, "none", 0.9),
        ("ɚɜ", 0.36, -0.3, "none", 1.0),
        ("w", 0.14, -1.0, "none", 1.8),
        ("j", 0.2, 0.6, "none", 0.9),
        ("aɑɐ", 0.92, 0.15, "none", 1.2),
        ("æ", 0.8, 0.55, "none", 1.2),
        ("ʌ", 0.58, 0.05, "none", 1.0),
        ("ə", 0.38, 0.05, "none", 0.6),
        ("ɛe", 0.52, 0.5, "none", 1.0),
        ("ɪiᵻ", 0.26, 0.85, "none", 1.0),
        ("ɔoɒ", 0.62, -0.6, "none", 1.2),
        ("uʊ", 0.3, -0.95, "none", 1.3),
    )
    return {
        symbol: _Target(Mouth(opening, width, contact), pull)
        for symbols, opening, width, contact, pull in rows
        for symbol in symbols
    }


_TARGETS = _targets()
_LENGTHENS = "ː"
_MARKS = frozenset("ˈˌˑ̩")  # said with the sound that follows


def target(symbol: str) -> Mouth:
    """The mouth of a sound on its own; at rest for silence and for what is no sound."""
    return _TARGETS.get(symbol, _SILENT).mouth


@dataclass(frozen=True, slots=True)
class MouthTrack:
    """A mouth over time, from the first moment of its sound on."""

    openings: NDArray[np.float32]
    widths: NDArray[np.float32]
    contacts: tuple[Contact, ...]

    @property
    def seconds(self) -> float:
        return len(self.contacts) * STEP

    def at(self, seconds: float) -> Mouth:
        index = int((seconds + LEAD) / STEP)
        if not 0 <= index < len(self.contacts):
            return REST
        return Mouth(float(self.openings[index]), float(self.widths[index]), self.contacts[index])


def spoken(phones: Sequence[Phone]) -> MouthTrack:
    """The mouth of somebody who says this."""
    begins, ends, targets = _laid_out(phones)
    if not targets:
        return MouthTrack(np.zeros(0, np.float32), np.zeros(0, np.float32), ())
    times = (np.arange(max(1, int(np.ceil(ends[-1] / STEP)))) + 0.5) * STEP
    # Distance from each moment to each sound, nothing while it lasts.
    away = np.maximum(0.0, np.maximum(begins[:, None] - times, times - ends[:, None]))
    pulls = np.array([goal.pull for goal in targets])[:, None] * np.exp(-away / (REACH / 2))
    pulls /= pulls.sum(0)
    openings = np.array([goal.mouth.opening for goal in targets]) @ pulls
    widths = np.array([goal.mouth.width for goal in targets]) @ pulls
    contacts: list[Contact] = ["none"] * len(times)
    for begin, end, goal in zip(begins, ends, targets, strict=True):
        if goal.mouth.contact == "none":
            continue
        spare = max(0.0, SHORTEST - (end - begin)) / 2
        first = max(0, int((begin - spare) / STEP))
        for index in range(first, min(len(times), int(np.ceil((end + spare) / STEP)))):
            contacts[index] = goal.mouth.contact
            openings[index] = goal.mouth.opening
    return MouthTrack(openings.astype(np.float32), widths.astype(np.float32), tuple(contacts))


def _laid_out(
    phones: Sequence[Phone],
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[_Target]]:
    """When each sound begins and ends. Stress marks belong to the sound after them, length to the one
    before."""
    begins: list[float] = []
    ends: list[float] = []
    targets: list[_Target] = []
    now, carried = 0.0, 0.0
    for phone in phones:
        after = now + phone.seconds
        if phone.symbol in _MARKS:
            carried += phone.seconds
        elif phone.symbol == _LENGTHENS and targets:
            ends[-1] = after
        else:
            begins.append(now - carried)
            ends.append(after)
            targets.append(_TARGETS.get(phone.symbol, _SILENT))
            carried = 0.0
        now = after
    return np.array(begins), np.array(ends), targets


def hummed(pcm: NDArray[np.int16], rate: int) -> MouthTrack:
    """The mouth for a sound whose words are not known: open when it is loud, spread when it is sharp."""
    block = round(rate * STEP)
    count = len(pcm) // block
    if count == 0:
        return MouthTrack(np.zeros(0, np.float32), np.zeros(0, np.float32), ())
    blocks = pcm[: count * block].astype(np.float32).reshape(count, block) / 32768
    loudness = np.sqrt((blocks**2).mean(1))
    loud = max(0.03, float(np.percentile(loudness, 95)))
    crossings = (np.diff(np.signbit(blocks), axis=1) != 0).mean(1)
    kernel = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    openings = np.clip(np.convolve(loudness / loud, kernel, "same"), 0, 1) * 0.85
    widths = np.clip(np.convolve((crossings - 0.08) * 6, kernel, "same"), -0.6, 0.8)
    openings[openings < 0.06] = 0.0
    nothing: list[Contact] = ["none"] * count
    return MouthTrack(openings.astype(np.float32), widths.astype(np.float32), tuple(nothing))
