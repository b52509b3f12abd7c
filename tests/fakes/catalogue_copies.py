from collections.abc import Mapping

from typing_extensions import override

from application.ports.catalogue_copies import KEPT_S, CatalogueCopies, Copy
from application.ports.clock import Clock
from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import StorageUnavailable


class FakeCatalogueCopies(CatalogueCopies):
    """One for all workers of a test."""

    def __init__(self, clock: Clock) -> None:
        self.down = False
        self._clock = clock
        self._edition = 0
        self._kept: tuple[int, float, dict[AvatarName, Look]] | None = None

    @override
    async def edition(self) -> int:
        self._reachable()
        return self._edition

    @override
    async def latest(self, edition: int) -> Copy | None:
        self._reachable()
        if self._kept is None:
            return None
        kept_for, since, avatars = self._kept
        age_s = self._now() - since
        return Copy(avatars, age_s) if kept_for == edition and age_s < KEPT_S else None

    @override
    async def keep(self, edition: int, avatars: Mapping[AvatarName, Look]) -> None:
        self._reachable()
        if edition == self._edition:
            self._kept = edition, self._now(), dict(avatars)

    @override
    async def end_edition(self) -> None:
        self._reachable()
        self._edition += 1

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
