"""The retrieval gate: is there anything in the passages that answers the question?"""

from collections.abc import Sequence

from application.retrieval.evidence import evidence
from application.retrieval.question import understood
from domain.document import Hit

FEW = 2  # passages for a small model: each costs it about a second of reading
NEARLY = 0.15  # a passage that answers so much worse than the best one is left out


def answering(question: str, hits: Sequence[Hit], most: int = FEW) -> list[Hit]:
    """The hits that hold an answer, best first, at most `most`; empty when the gate stays shut. A question
    about the documents as a whole is answered by whatever was found."""
    if understood(question).overview:
        return list(hits[:most])
    found = evidence(question, hits)
    return list(dict.fromkeys(one.hit for one in found if one.score >= found[0].score - NEARLY))[:most]
