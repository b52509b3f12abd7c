from contextlib import AbstractContextManager

from adapters.http.errors import translated
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable


def knowledge_errors() -> AbstractContextManager[None]:
    """How whatever fails at a RAG service or an embedding model is told."""
    return translated(
        unreachable=KnowledgeUnreachable,
        timeout=KnowledgeTimeout,
        failed=lambda: KnowledgeFailed("RAG service error: bad response"),
    )
