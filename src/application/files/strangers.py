from application.ports.administration import Administration
from application.ports.foreign_documents import ForeignDocuments


async def strangers(foreign: ForeignDocuments, administration: Administration) -> list[str]:
    """What a RAG service has in its public base that did not come through us, in order. Raises what
    `foreign` does."""
    names = set(await foreign.public_names())
    return sorted(names - await administration.public_index_names()) if names else []
