from dataclasses import dataclass

from application.files.forwarding import forwarded
from application.files.strangers import strangers
from application.ports.administration import Administration
from application.ports.foreign_documents import ForeignDocuments

EVERY = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPublicFiles:
    """The names in the public base: ours, and those of what a RAG service holds beside them."""

    administration: Administration
    foreign: ForeignDocuments

    async def __call__(self) -> list[str]:
        """In order. Raises KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed."""
        with forwarded("Failed to fetch public files"):
            theirs = await strangers(self.foreign, self.administration)
        ours = await self.administration.public_documents(EVERY, 0)
        return sorted([*(document.name for document in ours.items), *theirs])
