from dataclasses import dataclass

from application.files.forwarding import forwarded
from application.ports.administration import Administration
from application.ports.foreign_documents import ForeignDocuments


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKnowledgeUsers:
    """Who has documents of his own that can be searched, by number."""

    administration: Administration
    foreign: ForeignDocuments

    async def __call__(self) -> list[str]:
        """In order, numbers first. Raises KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed."""
        with forwarded("Failed to fetch users"):
            foreign = await self.foreign.users()
        ours = (str(owner) for owner in await self.administration.knowledge_owners())
        return sorted({*ours, *foreign}, key=lambda user: (not user.isdecimal(), len(user), user))
