from collections.abc import Iterator
from contextlib import contextmanager

from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable


@contextmanager
def forwarded(msg: str) -> Iterator[None]:
    """What a RAG service refuses is told in these words; of which kind it is stays."""
    try:
        yield
    except (KnowledgeUnreachable, KnowledgeTimeout, KnowledgeFailed) as refusal:
        raise type(refusal)(msg) from refusal
