import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from typing_extensions import override

from application.ports.avatar_pool import AvatarPool, PoolBusy, PoolRefused, PoolTimeout, PoolUnreachable
from domain.avatar import AvatarName, Instance
from domain.errors import DomainError
from domain.user import UserId

MANAGER = "http://manager:8607"


@dataclass(eq=False)
class FakeAvatarPool(AvatarPool):
    """Managers in memory. `refuse_with` is raised by every call to that manager; `late` calls are done, but
    the answer does not come in time."""

    managers: Sequence[str] = (MANAGER,)
    limit: int = 5
    unknown: frozenset[AvatarName] = frozenset()
    refuse_with: dict[str, DomainError] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)  # of "start" and "disconnect"
    delay: float = 0.0  # of a start
    instances: dict[str, dict[AvatarName, Instance]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # what, where, which avatar
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def of(self, manager: str = MANAGER) -> dict[AvatarName, Instance]:
        return self.instances.setdefault(manager, {})

    @property
    def counts(self) -> dict[AvatarName, int]:
        """Over all managers."""
        counts: dict[AvatarName, int] = {}
        for each in self.instances.values():
            for avatar, instance in each.items():
                counts[avatar] = counts.get(avatar, 0) + (instance.connections or 0)
        return counts

    def relaunch(self, avatar: AvatarName, manager: str = MANAGER) -> Instance:
        """Another process at another port, counting as before."""
        was = self.of(manager)[avatar]
        number = next(self._numbers)
        fresh = replace(
            was, port=8614 + number, pid=1000 + number, start_time=f"start {number}", running=True
        )
        self.of(manager)[avatar] = fresh
        return fresh

    def crash(self, avatar: AvatarName, manager: str = MANAGER) -> None:
        self.of(manager)[avatar] = replace(self.of(manager)[avatar], running=False)

    def starts(self, avatar: AvatarName | None = None) -> int:
        return sum(what == "start" and avatar in (None, which) for what, _, which in self.asked)

    @override
    async def order(self, avatar: AvatarName) -> Sequence[str]:
        def load(manager: str) -> tuple[bool, bool, int]:
            return manager in self.refuse_with, avatar not in self.of(manager), len(self.of(manager))

        return sorted(self.managers, key=load)

    @override
    async def start(self, manager: str, user: UserId, avatar: AvatarName) -> Instance:
        await self._asked("start", manager, avatar, self.delay)
        if avatar in self.unknown:
            raise PoolRefused
        here = self.of(manager)
        if avatar not in here:
            if len(here) >= self.limit:
                raise PoolBusy
            bare = Instance(manager=manager, avatar=avatar, host="gpu", port=1, gpu=0, connections=0)
            here[avatar] = bare
            self.relaunch(avatar, manager)
        here[avatar] = replace(here[avatar], connections=(here[avatar].connections or 0) + 1)
        if "start" in self.late:
            raise PoolTimeout
        return here[avatar]

    @override
    async def disconnect(self, manager: str, avatar: AvatarName) -> None:
        await self._asked("disconnect", manager, avatar)
        here = self.of(manager)
        if avatar in here:
            left = (here[avatar].connections or 0) - 1
            here[avatar] = replace(here[avatar], connections=left)
            if left <= 0:
                del here[avatar]
        if "disconnect" in self.late:
            raise PoolTimeout

    @override
    async def running(self, manager: str) -> Sequence[Instance]:
        await self._asked("list", manager, "")
        return list(self.of(manager).values())

    @override
    async def check(self, manager: str) -> None:
        await self._asked("health", manager, "")

    async def _asked(self, what: str, manager: str, avatar: str, delay: float = 0.0) -> None:
        self.asked.append((what, manager, avatar))
        await asyncio.sleep(delay)
        if error := self.refuse_with.get(manager):
            raise error
        if manager not in self.managers:
            raise PoolUnreachable
