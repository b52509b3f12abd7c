"""How near the lines of a passage are to a question: what gate, guard and extractive answer judge by."""

from collections.abc import Sequence
from dataclasses import replace
from struct import unpack

from application.ports.passages import Embedder, Vector
from application.retrieval.evidence import may_answer
from application.retrieval.lines import lines
from application.retrieval.question import bare, understood
from domain.document import Hit


async def with_nearness(embedder: Embedder, question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with their `nearness`, whoever found them; without, where the model cannot tell. Raises what
    the embedder raises."""
    if not embedder.reads(question):
        return list(hits)
    quotes = [[line.quote for line in lines(hit.text)] for hit in hits]
    near = await _near(embedder, question, _telling(embedder, question, hits))
    return [
        replace(hit, nearness=tuple(near.get(quote, 0.0) for quote in of_hit))
        for hit, of_hit in zip(hits, quotes, strict=True)
    ]


def _telling(embedder: Embedder, question: str, hits: Sequence[Hit]) -> list[str]:
    """Each of these takes some milliseconds, so no others are compared."""
    asked = understood(question)
    told = (line.quote for hit in hits for line in lines(hit.text) if may_answer(asked, hit, line))
    return list(dict.fromkeys(filter(embedder.reads, told)))


async def _near(embedder: Embedder, question: str, texts: Sequence[str]) -> dict[str, float]:
    if not texts:
        return {}
    asked = await embedder.embed_question(bare(question))
    vectors = await embedder.embed(texts)
    return {
        text: embedder.scale.likeness(_cosine(vector, asked))
        for text, vector in zip(texts, vectors, strict=True)
    }


def _cosine(one: Vector, other: Vector) -> float:
    size = f"<{len(one) // 4}f"
    return float(sum(a * b for a, b in zip(unpack(size, one), unpack(size, other), strict=True)))
