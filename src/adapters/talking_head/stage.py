"""The media clock of one viewer, and what is said on it. Sound and pictures are both asked of it by time, so
they cannot drift apart, whatever is late."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from adapters.talking_head.mouths import REST, Mouth
from adapters.talking_head.voice import RATE, Sound, Utterance

GUARD = 0.06  # seconds between laying something and its first sample: both tracks must come by in time
FADE = 240  # samples, 5 ms: what is cut off ends without a click
LINGER = 0.5  # seconds what is over is still known, for a track that is late


@dataclass(frozen=True, slots=True)
class _Laid:
    start: int  # in samples on the clock
    utterance: Utterance

    @property
    def end(self) -> int:
        return self.start + len(self.utterance.sound)


@dataclass(eq=False, slots=True)
class Stage:
    """Only for one thread. The clock starts when it is first read."""

    clock: Callable[[], float] = time.monotonic
    _began: float | None = None
    _laid: list[_Laid] = field(default_factory=list)
    _heard: int = 0  # samples given out
    _fading: tuple[int, Sound] = (0, np.zeros(0, np.int16))

    def now(self) -> float:
        """Seconds on the clock."""
        moment = self.clock()
        if self._began is None:
            self._began = moment
        return moment - self._began

    def lay(self, utterance: Utterance) -> float:
        """To be heard after what was laid before; the time on the clock when it begins."""
        start = round((self.now() + GUARD) * RATE)
        if self._laid:
            start = max(start, self._laid[-1].end)
        self._laid.append(_Laid(start, utterance))
        return start / RATE

    def hush(self) -> None:
        """From now on, silence: what was laid is forgotten."""
        rest = self._mixed(self._heard, FADE)
        if rest is not None:
            ramp = np.linspace(1, 0, FADE, endpoint=False, dtype=np.float32)
            self._fading = (self._heard, (rest * ramp).astype(np.int16))
        self._laid.clear()

    def ahead(self) -> float:
        """Seconds until everything that was laid has been said; 0 in silence."""
        return max(0.0, self._laid[-1].end / RATE - self.now()) if self._laid else 0.0

    def sound(self, first: int, count: int) -> Sound | None:
        """That many samples from there on; None where there is nothing but silence."""
        self._heard = first + count
        self._forget()
        start, fading = self._fading
        if len(fading) and start < first + count:
            self._fading = (0, fading[:0])
            faded = np.zeros(count, np.int16)
            part = fading[max(0, first - start) :][:count]
            faded[: len(part)] = part
            return faded
        return self._mixed(first, count)

    def mouth(self, at: float) -> Mouth:
        for laid in self._laid:
            start = laid.start / RATE
            if start - 0.04 <= at < laid.end / RATE:
                return laid.utterance.mouth.at(at - start)
        return REST

    def _mixed(self, first: int, count: int) -> Sound | None:
        touched = [laid for laid in self._laid if laid.start < first + count and laid.end > first]
        if not touched:
            return None
        sound = np.zeros(count, np.int16)
        for laid in touched:
            begin = max(first, laid.start)
            part = laid.utterance.sound[begin - laid.start : first + count - laid.start]
            sound[begin - first : begin - first + len(part)] = part
        return sound

    def _forget(self) -> None:
        over = (self.now() - LINGER) * RATE
        while self._laid and self._laid[0].end < over:
            del self._laid[0]
