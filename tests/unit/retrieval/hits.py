"""Passages as the index would find them: each line knows how near it is to the question."""

from application.retrieval.lines import lines
from domain.document import Hit
from domain.words import search_words, words

GRADES = (
    "The written test counts for 40 percent of the grade. It takes place on 18 June in hall C. The group "
    "presentation counts for 25 percent. A report handed in late loses 5 percent of its marks per day."
)
TRENCH = (
    "The Challenger Deep lies about 10,935 metres below the surface. Jacques Piccard and Don Walsh reached "
    "it in 1960. The Gulf Stream carries about 30 sverdrups, and the Antarctic current more than 130 "
    "sverdrups."
)
NETWORK = (
    "UDP has no handshake and gives no delivery guarantee. "
    "An IPv4 address has 32 bits, an IPv6 address 128 bits."
)


def hit(
    question: str, text: str, filename: str = "notes.pdf", page: int | None = 1, near: float | None = None
) -> Hit:
    """`near`: the same for all lines; else by the words they share with the question."""
    nearness = tuple(_near(question, line.quote) if near is None else near for line in lines(text))
    return Hit(filename=filename, page=page, text=text, score=None, nearness=nearness)


def _near(question: str, text: str) -> float:
    wanted = [word.removesuffix("s") for word in search_words(question)]
    present = {word.removesuffix("s") for word in words(text)}
    return sum(word in present for word in wanted) / max(1, len(wanted))
