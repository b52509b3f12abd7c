from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.avatar import AvatarName
from domain.catalogue import Look

KEPT_S = 1800


@dataclass(frozen=True, slots=True)
class Copy:
    avatars: Mapping[AvatarName, Look]
    age_s: float


class CatalogueCopies(Protocol):
    """The last good list of avatars, the same for all workers, for half an hour. It belongs to an edition of
    the catalogue: whatever was fetched before one ended counts for nothing in the next, also what arrives
    late. Raises StorageUnavailable."""

    async def edition(self) -> int: ...

    async def latest(self, edition: int) -> Copy | None: ...

    async def keep(self, edition: int, avatars: Mapping[AvatarName, Look]) -> None:
        """Keeps nothing when the edition is over."""
        ...

    async def end_edition(self) -> None: ...
