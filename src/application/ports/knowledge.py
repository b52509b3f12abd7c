from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from application.ports.progress import Progress, untold
from domain.conversation import SessionId
from domain.document import Hit, StoredFile
from domain.errors import Unavailable, UpstreamFailed, UpstreamTimeout
from domain.user import UserId


class KnowledgeUnreachable(Unavailable):
    msg = "RAG service error: unreachable"


class KnowledgeTimeout(UpstreamTimeout):
    msg = "RAG service error: timeout"


class KnowledgeFailed(UpstreamFailed):
    """`msg` is for the uploader: `RAG indexing failed: {status}` or `RAG service error: bad response`."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an index made of a document, in the words of a RAG service; None what it does not tell."""

    chunk_embs_num: int
    page_count: int | None = None
    page_embs_num: int | None = None
    page_collection: str | None = None
    chunk_collection: str | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    pages: int = 0
    chunks: int = 0


class Knowledge(Protocol):
    """What can be found in documents: our own index, or a RAG service."""

    own: bool  # our own index: asking it costs a few milliseconds and its hits carry `similarity`

    async def index(self, file: StoredFile, told: Progress = untold) -> IndexReport:
        """Make the file's text findable; `told` hears how far that is, where it can be known. Doing it twice
        leaves one copy. Raises BadFile (nothing readable in it, final), KnowledgeUnreachable,
        KnowledgeTimeout, KnowledgeFailed (worth another try)."""
        ...

    async def find(
        self, question: str, reader: UserId, limit: int = 5, session: SessionId | None = None
    ) -> Sequence[Hit]:
        """The best passages this reader may see (his own and public ones), best first; empty when there is
        nothing. Our own index looks into files that the question names, and prefers those of the session.
        Raises KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed."""
        ...

    async def forget(self, file: StoredFile) -> Erased:
        """Remove every trace of the file; forgetting what is not there changes nothing."""
        ...

    async def check(self) -> None:
        """Returns when it can be asked; raises KnowledgeUnreachable, KnowledgeTimeout or KnowledgeFailed."""
        ...
