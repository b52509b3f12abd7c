"""Answers made of the documents' own sentences, with the page they stand on. They cannot be wrong about what
the documents say; they need no model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from application.retrieval.evidence import Evidence, evidence
from application.retrieval.forms import Vocabulary
from application.retrieval.lines import lines
from application.retrieval.question import understood
from domain.document import Hit
from domain.words import words

NOT_ANSWERED = "The documents do not answer this question."
NOT_SEARCHED = "The documents could not be searched right now."
OVERVIEW = "Among other things, the documents say:"

QUOTES = 2
SAMPLES = 3  # sentences that stand for a document that is asked about as a whole
QUOTE_MAX = 600


@dataclass(frozen=True, slots=True)
class Quotation:
    """Sentences of the documents, as an answer. `marks` are the numbers of the passages they are from."""

    text: str
    marks: tuple[int, ...] = ()


def extractive_answer(question: str, hits: Sequence[Hit]) -> Quotation:
    """The best sentences, quoted with their page; `NOT_ANSWERED` when nothing covers the question."""
    if understood(question).overview:
        return _overview(hits)
    return quoted(question, evidence(question, hits))


def quoted(question: str, found: Sequence[Evidence]) -> Quotation:
    """The best line, and one more where it covers something of the question that the best one does not."""
    if not found:
        return Quotation(NOT_ANSWERED)
    best = found[0]
    missing = set(understood(question).content) - best.holds
    more = [
        one
        for one in found[1:]
        if Vocabulary(words(one.line.text)).held(missing) and one.line.text not in best.line.quote
    ][: QUOTES - 1]
    if more and more[0].hit == best.hit:
        return Quotation(f"“{_in_order(best, more[0])}” ({place(best.hit)})", (best.n,))
    chosen = (best, *more)
    text = " ".join(f"“{_cut(one.line.quote)}” ({place(one.hit)})" for one in chosen)
    return Quotation(text, tuple(one.n for one in chosen))


def place(hit: Hit) -> str:
    """Where a quotation stands, as a reader can find it."""
    name = re.sub(r"\s+", " ", hit.filename)
    return name if hit.page is None else f"{name}, page {hit.page}"


def _in_order(one: Evidence, other: Evidence) -> str:
    order = [line.text for line in lines(one.hit.text)]
    at, to = sorted((order.index(one.line.text), order.index(other.line.text)))
    first, second = (one, other) if order[at] == one.line.text else (other, one)
    if to == at + 1:
        return _cut(f"{first.line.quote} {second.line.text}")
    return _cut(f"{first.line.quote} … {second.line.quote}")


def _overview(hits: Sequence[Hit]) -> Quotation:
    quotes: dict[str, int] = {}
    for n, hit in sorted(enumerate(hits, 1), key=lambda one: (one[1].filename, one[1].page or 0)):
        first = next((line for line in lines(hit.text) if len(line.text) > 20), None)
        if first is not None:
            quotes.setdefault(f"“{_cut(first.text)}” ({place(hit)})", n)
    chosen = list(quotes)[:SAMPLES]
    if not chosen:
        return Quotation(NOT_ANSWERED)
    return Quotation(" ".join([OVERVIEW, *chosen]), tuple(quotes[quote] for quote in chosen))


def _cut(text: str) -> str:
    return text if len(text) <= QUOTE_MAX else f"{text[:QUOTE_MAX].rstrip()} …"
