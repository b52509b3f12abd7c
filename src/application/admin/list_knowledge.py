import logging
from dataclasses import dataclass

from application.files.strangers import strangers
from application.ports.administration import Administration, PublicDocument
from application.ports.foreign_documents import ForeignDocuments
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
    foreign: ForeignDocuments

    async def __call__(self, limit: int, offset: int) -> Listed[PublicDocument | ForeignDocument]:
        ours = await self.administration.public_documents(limit, offset)
        strangers = await self._strangers()
        begin = max(0, offset - ours.total)
        rest = strangers[begin : begin + limit - len(ours.items)]
        return Listed(ours.total + len(strangers), [*ours.items, *rest])

    async def _strangers(self) -> list[ForeignDocument]:
        try:
            names = await strangers(self.foreign, self.administration)
        except StorageUnavailable:
            raise
        except DomainError as error:
            log.warning("public names not listed", extra={"error": type(error).__name__})
            return []
        return [ForeignDocument(name) for name in names]
