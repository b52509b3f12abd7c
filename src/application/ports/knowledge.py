from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
class Erased:
    pages: int = 0
    chunks: int = 0


class Knowledge(Protocol):
    """What can be found in documents: our own index, or a RAG service."""

    own: bool  # our own index: asking it costs a few milliseconds and its hits carry `similarity`

    async def index(self, file: StoredFile) -> None:
        """Make the file's text findable. Doing it twice leaves one copy. Raises BadFile (nothing readable in
        it, final), KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed (worth another try)."""
        ...

    async def find(self, question: str, reader: UserId, limit: int = 5) -> Sequence[Hit]:
        """The best passages this reader may see (his own and public ones), best first; empty when there is
        nothing. Raises KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed."""
        ...

    async def forget(self, file: StoredFile) -> Erased:
        """Remove every trace of the file; forgetting what is not there changes nothing."""
        ...

    async def public_names(self) -> Sequence[str]:
        """What an index of somebody else's has in its public base, by index names; empty for our own, which
        has nothing that we have no row for. Raises KnowledgeUnreachable, KnowledgeTimeout,
        KnowledgeFailed."""
        ...

    async def check(self) -> None:
        """Returns when it can be asked; raises KnowledgeUnreachable, KnowledgeTimeout or KnowledgeFailed."""
        ...
