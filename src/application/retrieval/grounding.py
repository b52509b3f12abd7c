"""The guard between a small model and its reader: nothing is said about documents that they do not say."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from application.indexing.sentences import sentences
from application.retrieval.bearing import bearer
from application.retrieval.citations import Cite
from application.retrieval.evidence import Evidence, evidence
from application.retrieval.extractive import NOT_ANSWERED, Quotation, extractive_answer, place, quoted
from application.retrieval.question import understood
from domain.document import Hit
from domain.words import STOPWORDS, words

PATIENCE = 400  # characters a model may talk without ending a sentence

_ABSTAINS = re.compile(
    r"\b(?:do(?:es)?\s+not|don't|doesn't|cannot|can't|could\s+not|couldn't|not|no)\b.{0,50}"
    r"\b(?:know|mention|specif|provide|contain|find|found|state|inform|include|say|answer|give)|"
    r"\bnot\s+(?:in|mentioned|given|specified|provided)\b|没有提到|无法|不知道",
    re.IGNORECASE,
)
_MARK = re.compile(r"(?<!\s)\s*\[\d+\]")
_PREAMBLE = re.compile(
    r"(?:the\s+)?(?:correct\s+)?answer(?:\s+to\s+(?:this|the|your)\s+question)?(?:\s+is\s*:?\s*(?:that\s+)?|\s*:\s*)(?=\S)",
    re.IGNORECASE,
)
_POLITE = "yes sure certainly course okay ok great here answer following hello hi 好 好的"
_FILLERS = frozenset(_POLITE.split())


async def grounded(
    pieces: AsyncGenerator[str], question: str, hits: Sequence[Hit], cite: Cite
) -> AsyncGenerator[str]:
    """The model's answer in whole sentences, as far as one sentence of the passages bears each of them out.

    The first that is not borne out ends the model's turn; the best sentences of the passages are quoted in
    its place. When they hold no answer the model is not even started. What was given out is never taken back,
    and the model's own errors pass through.
    """
    async with aclosing(pieces):
        found = evidence(question, hits)
        if not found:
            yield _cited(extractive_answer(question, hits), cite)
            return
        asked = understood(question)
        used: list[Evidence] = []
        async with aclosing(_whole_sentences(pieces)) as spoken:
            async for sentence in spoken:
                said = _plainly(sentence)
                if _is_empty(said):
                    continue
                line = bearer(said, asked, found)
                if line is None:
                    if not used:
                        yield _cited(_instead(said, question, found), cite)
                    break
                cite([line.n])
                yield f" {said}" if used else said
                used.append(line)
            else:
                if not used:
                    yield _cited(quoted(question, found), cite)
        if used:
            yield f" ({'; '.join(dict.fromkeys(place(one.hit) for one in used))})"


def _cited(quotation: Quotation, cite: Cite) -> str:
    cite(quotation.marks)
    return quotation.text


def _instead(said: str, question: str, found: Sequence[Evidence]) -> Quotation:
    if _ABSTAINS.search(said) and not found[0].strong:
        return Quotation(NOT_ANSWERED)
    return quoted(question, found)


async def _whole_sentences(pieces: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Sentences as soon as it is certain that they are over; an unfinished last one is left out."""
    buffer = ""
    async for piece in pieces:
        buffer += piece
        spans = sentences(buffer)
        for span in spans[:-1]:
            yield span.of(buffer)
        if len(spans) > 1:
            buffer = buffer[spans[-1].start :]
        if len(buffer) > PATIENCE:
            yield buffer
            return
    rest = buffer.strip()
    if rest and re.search("[.!?。！？][\"'”’)\\]」』]*(?:\\s*\\[\\d+\\])*\\Z", rest):
        yield rest


def _plainly(sentence: str) -> str:
    """Without marks and without `The answer to this question is that …`."""
    said = " ".join(_MARK.sub("", sentence).split())
    preamble = _PREAMBLE.match(said)
    rest = said[preamble.end() :] if preamble else said
    return rest[:1].upper() + rest[1:]


def _is_empty(said: str) -> bool:
    """`Sure!`, `Yes.`: nothing that could be borne out, and nothing lost without it."""
    return all(word in STOPWORDS or word in _FILLERS for word in words(said))
