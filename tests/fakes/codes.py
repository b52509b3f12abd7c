import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.codes import Codes, Redeemed
from domain.errors import StorageUnavailable
from domain.user import Purpose

LIFE, PAUSE, ATTEMPTS = timedelta(seconds=300), timedelta(seconds=10), 5


@dataclass
class _Issued:
    code: str
    until: datetime
    attempts: int = 0


@dataclass(eq=False)
class FakeCodes(Codes):
    """Codes 100000, 100001 … in the order they are issued."""

    clock: Clock
    down: bool = False
    issued: int = 0
    redeemed: int = 0  # how often a code was tried
    _codes: dict[tuple[str, Purpose], _Issued] = field(default_factory=dict)
    _pauses: dict[str, datetime] = field(default_factory=dict)

    @override
    async def wait(self, email: str) -> int:
        self._reachable()
        left = self._pauses.get(email, self.clock.now()) - self.clock.now()
        if left > timedelta():
            return math.ceil(left.total_seconds())
        self._pauses[email] = self.clock.now() + PAUSE
        return 0

    @override
    async def end_wait(self, email: str) -> None:
        self._reachable()
        self._pauses.pop(email, None)

    @override
    async def issue(self, email: str, purpose: Purpose) -> str:
        self._reachable()
        code = f"{100_000 + self.issued:06d}"
        self.issued += 1
        self._codes[email, purpose] = _Issued(code, self.clock.now() + LIFE)
        return code

    @override
    async def redeem(self, email: str, purposes: Sequence[Purpose], code: str) -> Redeemed | None:
        self._reachable()
        self.redeemed += 1
        known = {key: self._codes[key] for p in purposes if (key := (email, p)) in self._codes}
        living = {key: issued for key, issued in known.items() if issued.until > self.clock.now()}
        for key, issued in living.items():
            if issued.code == code:
                del self._codes[key]
                return Redeemed(key[1], issued.until - self.clock.now(), issued.attempts)
        for key, issued in living.items():
            issued.attempts += 1
            if issued.attempts >= ATTEMPTS:
                del self._codes[key]
        return None

    @override
    async def restore(self, email: str, code: str, redeemed: Redeemed) -> None:
        self._reachable()
        until = self.clock.now() + redeemed.left
        self._codes.setdefault((email, redeemed.purpose), _Issued(code, until, redeemed.attempts))

    @override
    async def forget(self, email: str, older_than: timedelta = timedelta()) -> int:
        self._reachable()
        now = self.clock.now()
        ends = {key: issued.until for key, issued in self._codes.items() if key[0] == email}
        living = [key for key, until in ends.items() if until > now and now - (until - LIFE) >= older_than]
        for key in living:
            del self._codes[key]
        paused = self._pauses.get(email, now)
        if not (paused > now and now - (paused - PAUSE) >= older_than):
            return len(living)
        del self._pauses[email]
        return len(living) + 1

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
