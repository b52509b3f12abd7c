"""Time, for fakes and for servers: it is told to pass, or it really does."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from typing_extensions import override

from adapters.clock import SystemClock
from application.ports.clock import Clock
from tests.fakes.clock import FakeClock


class Time(Protocol):
    @property
    def clock(self) -> Clock: ...

    async def pass_(self, seconds: float) -> None: ...

    def now(self) -> datetime:
        return self.clock.now()


@dataclass(frozen=True, slots=True)
class ToldTime(Time):
    clock: FakeClock = field(default_factory=FakeClock)

    @override
    async def pass_(self, seconds: float) -> None:
        self.clock.pass_(seconds=seconds)


@dataclass(frozen=True, slots=True)
class RealTime(Time):
    clock: SystemClock = field(default_factory=SystemClock)

    @override
    async def pass_(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
