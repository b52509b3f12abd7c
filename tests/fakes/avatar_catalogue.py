from collections.abc import Mapping
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.avatar_catalogue import (
    Added,
    AvatarCatalogue,
    CreationRejected,
    DeletionRejected,
    NewAvatar,
    Picture,
    PreviewMissing,
)
from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import DomainError


@dataclass
class FakeAvatarCatalogue(AvatarCatalogue):
    """Knows at once of what it has made. With `failure` it fails; `asked` counts the looks at it."""

    looks: dict[AvatarName, Look] = field(default_factory=dict)
    failure: DomainError | None = None
    asked: int = 0
    made: list[NewAvatar] = field(default_factory=list)

    @override
    async def avatars(self) -> Mapping[AvatarName, Look]:
        self._answer()
        return dict(self.looks)

    @override
    async def preview(self, name: AvatarName) -> Picture:
        self._answer()
        if name not in self.looks:
            raise PreviewMissing
        return Picture(f"a picture of {name}".encode(), "image/png")

    @override
    async def add(self, new: NewAvatar) -> Added:
        self._answer()
        if new.name in self.looks:
            raise CreationRejected(f"Avatar {new.name} already exists")
        self.made.append(new)
        self.looks[new.name] = Look(support_clone=bool(new.support_clone), description=new.description or "")
        return Added("Avatar created", f"{new.name}.png")

    @override
    async def delete(self, name: AvatarName) -> str:
        self._answer()
        if self.looks.pop(name, None) is None:
            raise DeletionRejected(f"Avatar {name} not found")
        return f"Avatar {name} deleted"

    @override
    async def check(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.asked += 1
        if self.failure:
            raise self.failure
