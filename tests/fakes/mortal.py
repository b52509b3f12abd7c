"""What a process does until its power is cut."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from typing_extensions import override

from application.ports.persistence import Work, WorkFactory

T = TypeVar("T")


class PowerCut(BaseException):
    """Nobody gets to say goodbye."""


@dataclass(slots=True)
class Fuse:
    """Blows with the step after so many; `steps` were made."""

    blows_after: int
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps > self.blows_after:
            raise PowerCut


class Mortal:
    """Does what the port does; whatever is asked of it is a step, done before the fuse blows."""

    def __init__(self, port: object, fuse: Fuse, *steps: str) -> None:
        self._port, self._fuse, self._steps = port, fuse, steps

    def __getattr__(self, name: str) -> Any:
        what = getattr(self._port, name)
        if not iscoroutinefunction(what) or (self._steps and name not in self._steps):
            return what

        async def done(*arguments: Any, **more: Any) -> Any:
            result = await what(*arguments, **more)
            self._fuse.step()
            return result

        return done


def mortal(port: T, fuse: Fuse) -> T:
    return cast("T", Mortal(port, fuse))


@dataclass(frozen=True, slots=True)
class MortalWork(WorkFactory):
    """Of a unit of work its commit is the step."""

    work: WorkFactory
    fuse: Fuse

    @override
    def __call__(self) -> AbstractAsyncContextManager[Work]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Work]:
        async with self.work() as w:
            yield cast("Work", Mortal(w, self.fuse, "commit"))
