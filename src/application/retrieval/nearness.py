"""How near the lines of a passage are to a question: what gate, guard and extractive answer judge by."""

from collections.abc import Sequence
from dataclasses import replace
from struct import unpack

from application.ports.passages import Embedder, Vector
from application.retrieval.evidence import Seen
from application.retrieval.lines import Line, lines
from application.retrieval.question import understood
from domain.document import Hit


async def with_nearness(embedder: Embedder, question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with their `nearness`, whoever found them; without, where the model cannot tell. Raises what
    the embedder raises."""
    asked = understood(question)
    if not embedder.reads(asked.text):
        return list(hits)
    seen = [(Seen.by(asked, hit), lines(hit.text)) for hit in hits]
    near = await _near(embedder, asked.text, _telling(embedder, seen))
    return [
        replace(passage.hit, nearness=tuple(near.get(line.quote, 0.0) for line in of_passage))
        for passage, of_passage in seen
    ]


def _telling(embedder: Embedder, seen: Sequence[tuple[Seen, Sequence[Line]]]) -> list[str]:
    """Each of these takes some milliseconds, so no others are compared."""
    told = (line.quote for passage, of_it in seen for line in of_it if passage.may_answer(line))
    return list(dict.fromkeys(filter(embedder.reads, told)))


async def _near(embedder: Embedder, question: str, texts: Sequence[str]) -> dict[str, float]:
    if not texts:
        return {}
    asked = await embedder.embed_question(question)
    vectors = await embedder.embed(texts)
    return {
        text: embedder.scale.likeness(_cosine(vector, asked))
        for text, vector in zip(texts, vectors, strict=True)
    }


def _cosine(one: Vector, other: Vector) -> float:
    size = f"<{len(one) // 4}f"
    return float(sum(a * b for a, b in zip(unpack(size, one), unpack(size, other), strict=True)))
