import math
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.throttle import Limit, Throttle
from domain.errors import StorageUnavailable


@dataclass(eq=False)
class FakeThrottle(Throttle):
    """Each event moves the subject's next theoretical arrival on; it may be one window ahead of now."""

    clock: Clock
    down: bool = False
    _arrivals: dict[tuple[str, str], datetime] = field(default_factory=dict)

    @override
    async def take(self, limit: Limit, subject: str) -> int:
        self._reachable()
        if limit.times <= 0:
            return 0
        now, step = self.clock.now(), limit.window / limit.times
        arrival = max(self._arrivals.get((limit.scope, subject), now), now) + step
        early = (arrival - limit.window - now).total_seconds()
        if early > 0.0005:
            return math.ceil(early)
        self._arrivals[limit.scope, subject] = arrival
        return 0

    @override
    async def give_back(self, limit: Limit, subject: str) -> None:
        self._reachable()
        if (limit.scope, subject) in self._arrivals and limit.times > 0:
            self._arrivals[limit.scope, subject] -= limit.window / limit.times

    @override
    async def forget(self, limit: Limit, subject: str) -> None:
        self._reachable()
        self._arrivals.pop((limit.scope, subject), None)

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
