"""Whether an upstream that failed is asked again. Pure: no I/O, no tasks; the clock is given."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

FAILURES_TO_OPEN = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
PROBE_S = 5.0
LONGEST_WISH_S = 600.0  # what a server asks for beyond that is a mistake of its own


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Entry:
    """Leave to ask once. `era` tells what was known of the upstream when it was given."""

    era: int


@dataclass(slots=True)
class Breaker:
    """Closed: everybody may ask. After five failures in a row it opens: nobody asks for 5 s, doubling with
    each failed probe up to 60 s. Then it is half open: one may ask, and what becomes of him decides for all.
    Who knows nothing after 5 s may be waiting in line for minutes: another may ask beside him, and the first
    of them that knows decides.

    Each entry is reported as `answered` or `failed`; `left` may follow, and says something only when neither
    did. A report about an entry from before the last change of state changes nothing: fifty questions that
    fail together are one outage, not ten.
    """

    clock: Callable[[], float]  # seconds, never jumping
    changed: Callable[[BreakerState], None] = lambda _: None
    state: BreakerState = field(default=BreakerState.CLOSED, init=False)
    _era: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _pause_s: float = field(default=FIRST_PAUSE_S, init=False)
    _until: float = field(default=0.0, init=False)

    def enter(self) -> Entry | None:
        """None: do not ask now."""
        if self.state is BreakerState.CLOSED:
            return Entry(self._era)
        if self.clock() < self._until:
            return None
        if self.state is BreakerState.OPEN:
            self._become(BreakerState.HALF_OPEN)
        self._until = self.clock() + PROBE_S
        return Entry(self._era)

    def answered(self, entry: Entry) -> None:
        """The upstream was there, whatever it said."""
        if entry.era != self._era:
            return
        self._failures, self._pause_s = 0, FIRST_PAUSE_S
        if self.state is not BreakerState.CLOSED:
            self._become(BreakerState.CLOSED)

    def failed(self, entry: Entry, wish_s: float | None = None) -> None:
        """The upstream was not there, or asked to be left alone for `wish_s`."""
        if entry.era != self._era:
            return
        self._failures += 1
        if wish_s is not None:
            self._open(min(wish_s, LONGEST_WISH_S))
        elif self.state is BreakerState.HALF_OPEN or self._failures >= FAILURES_TO_OPEN:
            self._open(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def left(self, entry: Entry) -> None:
        """Whoever asked went away before anything was known: the next one may ask in his place."""
        if entry.era == self._era and self.state is BreakerState.HALF_OPEN:
            self._until = self.clock()

    def wait_s(self) -> int:
        """Whole seconds, at least 1, after which it is worth asking again."""
        left = 0.0 if self.state is BreakerState.CLOSED else self._until - self.clock()
        return max(1, math.ceil(left - 1e-6))  # sums of floats are a hair off

    def _open(self, seconds: float) -> None:
        self._until = self.clock() + seconds
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._era += 1
        self.changed(state)
