"""What a RAG service holds, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.foreign_documents import ForeignDocuments
from application.ports.knowledge import Erased
from domain.errors import DomainError
from domain.user import UserId


@dataclass(eq=False)
class FakeForeignDocuments(ForeignDocuments):
    """`bases`: how many passages each document has, by its name, of each owner (None: the public base).
    `refuse_with` is raised by every call."""

    bases: dict[UserId | None, dict[str, int]] = field(default_factory=dict)
    refuse_with: DomainError | None = None

    @override
    async def users(self) -> Sequence[str]:
        self._refuse()
        return [str(owner) for owner, documents in self.bases.items() if owner is not None and documents]

    @override
    async def public_names(self) -> Sequence[str]:
        self._refuse()
        return list(self.bases.get(None, {}))

    @override
    async def forget(self, name: str, owner: UserId | None) -> Erased:
        self._refuse()
        return Erased(chunks=self.bases.get(owner, {}).pop(name, 0))

    def _refuse(self) -> None:
        if self.refuse_with is not None:
            raise self.refuse_with
