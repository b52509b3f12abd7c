"""Keeping a child alive: started again when it dies, more and more slowly while it keeps dying."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from adapters.processes.child import Child, Program

DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before the first, second … restart in a row
SETTLED = 30.0  # a run this long starts the row anew


@dataclass(eq=False, slots=True)
class Kept:
    """A program that should run for as long as we do. `tend` is called again and again by the main thread."""

    program: Program
    answers: Callable[[], bool]  # whether the running program is ready to work
    said: Callable[[str], None]  # told of each death
    child: Child | None = None
    deaths: int = 0
    due: float = 0.0
    ready: bool = False

    def tend(self) -> None:
        """Start it if it should run and does not; look whether it answers."""
        now = time.monotonic()
        if self.child is None:
            if now >= self.due:
                self.child = Child.start(self.program)
            return
        if self.child.exit_code is not None:
            self._bury(self.child, now)
        elif not self.ready:
            self.ready = self.answers()

    def is_ready(self) -> bool:
        return self.ready

    def stop(self, grace: float) -> None:
        if self.child is not None:
            self.child.stop(grace)
            self.child = None
        self.ready = False
        self.due = float("inf")

    def _bury(self, child: Child, now: float) -> None:
        self.deaths = 1 if now - child.started_at > SETTLED else self.deaths + 1
        self.due = now + DELAYS[min(self.deaths, len(DELAYS)) - 1]
        child.kill()  # what it may have started
        self.said(f"{self.program.name} ended with {child.exit_code}; starting it again")
        self.child, self.ready = None, False
