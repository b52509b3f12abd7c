import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(eq=False, slots=True)
class _Waiting(Generic[K]):
    owner: K
    turn: "asyncio.Future[None]"


@dataclass(eq=False, slots=True)
class FairSlots(Generic[K]):
    """So many things may be done at a time. Owners take turns: next is who had his last turn, or came, the
    longest ago, so that nobody waits for more than one turn of each other. And whoever has some slots gets
    another only while more than so many are free: what one or two want keeps nobody waiting at all."""

    free: int
    _taken: Counter[K] = field(default_factory=Counter, init=False)
    _waiting: list[_Waiting[K]] = field(default_factory=list, init=False)  # in the order of their coming
    _since: dict[K, int] = field(default_factory=dict, init=False)  # when owners had a turn, or came
    _now: int = field(default=0, init=False)

    @asynccontextmanager
    async def turn(self, owner: K) -> AsyncIterator[None]:
        """A slot is the owner's as long as the context lasts."""
        one = _Waiting(owner, asyncio.get_running_loop().create_future())
        self._come(one)
        try:
            await one.turn
            yield
        finally:
            self._leave(one)

    def _come(self, one: _Waiting[K]) -> None:
        self._now += 1
        self._since.setdefault(one.owner, self._now)
        self._waiting.append(one)
        self._give()

    def _give(self) -> None:
        while allowed := [one for one in self._waiting if self._may_have_one(one)]:
            next_one = min(allowed, key=lambda one: self._since[one.owner])
            self._waiting.remove(next_one)
            self._now += 1
            self._since[next_one.owner] = self._now
            self._taken[next_one.owner] += 1
            self.free -= 1
            next_one.turn.set_result(None)

    def _may_have_one(self, one: _Waiting[K]) -> bool:
        gave_up = one.turn.done()  # he was cancelled, and is about to leave
        return not gave_up and self._taken[one.owner] < self.free

    def _leave(self, one: _Waiting[K]) -> None:
        if one in self._waiting:  # he would not wait any longer
            self._waiting.remove(one)
        else:
            self._taken[one.owner] -= 1
            self.free += 1
        if not self._taken[one.owner] and all(other.owner != one.owner for other in self._waiting):
            del self._taken[one.owner], self._since[one.owner]
        self._give()
