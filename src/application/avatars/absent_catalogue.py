from collections.abc import Mapping
from typing import NoReturn

from typing_extensions import override

from application.ports.avatar_catalogue import (
    NOT_CONNECTED,
    Added,
    AvatarCatalogue,
    CatalogueUnreachable,
    NewAvatar,
    Picture,
)
from domain.avatar import AvatarName
from domain.catalogue import Look


def _nobody(words: str | None = None) -> NoReturn:
    raise CatalogueUnreachable(words)


class AbsentCatalogue(AvatarCatalogue):
    """Where our own Avatar Manager should run and does not."""

    @override
    async def avatars(self) -> Mapping[AvatarName, Look]:
        _nobody(NOT_CONNECTED)

    @override
    async def preview(self, name: AvatarName) -> Picture:
        _nobody()

    @override
    async def add(self, new: NewAvatar) -> Added:
        _nobody()

    @override
    async def delete(self, name: AvatarName) -> str:
        _nobody()

    @override
    async def check(self) -> None:
        _nobody()
