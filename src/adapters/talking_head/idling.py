"""What a face does by itself: it blinks, and the head is never quite still. A function of time and of a seed,
so that two viewers' avatars do not move as one."""

import math
import random
from dataclasses import dataclass, field

from adapters.talking_head.sprites import LIDS, STRAIGHT

BLINK = (1, 2, 3, 3, 2, 1)  # indices of LIDS, one per picture of 25 a second
APART = (2.2, 6.0)  # seconds between blinks, at least and at most
TWICE = 0.15  # how often one blink follows another at once
PICTURE = 0.04


@dataclass(eq=False, slots=True)
class Idling:
    """Ask with times that only grow."""

    seed: int
    _random: random.Random = field(init=False)
    _next: float = field(init=False)
    _phases: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 (nothing to guess)
        self._next = self._random.uniform(0.8, APART[1])
        self._phases = (self._random.uniform(0, math.tau), self._random.uniform(0, math.tau))

    def eyes(self, now: float) -> int:
        """An index of LIDS."""
        step = int((now - self._next) / PICTURE)
        if now < self._next:
            return 0
        if step < len(BLINK):
            return min(BLINK[step], len(LIDS) - 1)
        soon = self._random.random() < TWICE
        self._next = now + (0.12 if soon else self._random.uniform(*APART))
        return 0

    def pose(self, now: float, speaking: bool) -> int:
        """Livelier while speaking. Moves by at most one pose per picture."""
        one, other = self._phases
        lean = 0.55 * math.sin(now * 0.31 + one) + 0.25 * math.sin(now * 0.77 + other)
        if speaking:
            lean += 0.2 * math.sin(now * 2.1 + other)
        return round(STRAIGHT + lean * STRAIGHT)
