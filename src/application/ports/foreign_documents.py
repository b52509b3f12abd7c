from collections.abc import Sequence
from typing import Protocol

from application.ports.knowledge import Erased
from domain.user import UserId


class ForeignDocuments(Protocol):
    """What a RAG service holds, by its own names, whether it came through us or not. Raises
    KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed."""

    async def users(self) -> Sequence[str]:
        """Who has documents of his own in it."""
        ...

    async def public_names(self) -> Sequence[str]:
        """What is in its public base."""
        ...

    async def forget(self, name: str, owner: UserId | None) -> Erased:
        """Remove what the owner (None: the public base) has under this name; nothing where there is none."""
        ...
