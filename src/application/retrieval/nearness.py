"""How near each line of a passage is to a question: what the gate and the guard judge by."""

from collections.abc import Sequence
from dataclasses import replace
from struct import unpack

from application.ports.passages import Embedder, Vector
from application.retrieval.evidence import lines
from application.retrieval.question import bare
from domain.document import Hit


async def with_nearness(embedder: Embedder, question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with their `nearness`, whoever found them; without, where the model cannot tell."""
    if not embedder.reads(question):
        return list(hits)
    return await lines_near(embedder, await embedder.embed_question(bare(question)), hits)


async def lines_near(embedder: Embedder, asked: Vector, hits: Sequence[Hit]) -> list[Hit]:
    """As `with_nearness`, for a question that is a vector already."""
    quotes = [[line.quote for line in lines(hit.text)] for hit in hits]
    distinct = list(dict.fromkeys(quote for of_hit in quotes for quote in of_hit if embedder.reads(quote)))
    vectors = dict(zip(distinct, await embedder.embed(distinct), strict=True))
    near = {quote: embedder.scale.likeness(_cosine(vector, asked)) for quote, vector in vectors.items()}
    return [
        replace(hit, nearness=tuple(near.get(quote, 0.0) for quote in of_hit))
        for hit, of_hit in zip(hits, quotes, strict=True)
    ]


def _cosine(one: Vector, other: Vector) -> float:
    size = f"<{len(one) // 4}f"
    return float(sum(a * b for a, b in zip(unpack(size, one), unpack(size, other), strict=True)))
