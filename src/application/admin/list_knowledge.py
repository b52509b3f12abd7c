import logging
from dataclasses import dataclass

from application.ports.administration import Administration, PublicDocument
from application.ports.knowledge import Knowledge
from application.ports.persistence import Listed
from domain.errors import DomainError, StorageUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForeignDocument:
    """Something a RAG service has in its public base that did not come through us."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKnowledge:
    """The public knowledge base: our documents, newest first, then what a RAG service knows besides. A
    service that does not answer hides nothing of ours."""

    administration: Administration
    knowledge: Knowledge

    async def __call__(self, limit: int, offset: int) -> Listed[PublicDocument | ForeignDocument]:
        ours = await self.administration.public_documents(limit, offset)
        foreign = await self._foreign()
        begin = max(0, offset - ours.total)
        rest = foreign[begin : begin + limit - len(ours.items)]
        return Listed(ours.total + len(foreign), [*ours.items, *rest])

    async def _foreign(self) -> list[ForeignDocument]:
        try:
            names = set(await self.knowledge.public_names())
        except StorageUnavailable:
            raise
        except DomainError as error:
            log.warning("public names not listed", extra={"error": type(error).__name__})
            return []
        known = await self.administration.public_index_names() if names else set()
        return [ForeignDocument(name) for name in sorted(names - known)]
