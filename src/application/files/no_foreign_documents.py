from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from application.ports.foreign_documents import ForeignDocuments
from application.ports.knowledge import Erased
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class NoForeignDocuments(ForeignDocuments):
    """Our own index has nothing that we have no row for."""

    @override
    async def users(self) -> Sequence[str]:
        return []

    @override
    async def public_names(self) -> Sequence[str]:
        return []

    @override
    async def forget(self, name: str, owner: UserId | None) -> Erased:
        return Erased()
