"""The guard between a small model and its reader: nothing is said about documents that they do not say."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from application.indexing.sentences import sentences
from application.retrieval.citations import Cite
from application.retrieval.evidence import Evidence, alike, covered, evidence, has_kind
from application.retrieval.extractive import NOT_ANSWERED, Quotation, extractive_answer, place, quoted
from application.retrieval.question import Asked, Wanted, understood
from domain.document import Hit
from domain.words import CJK, STOPWORDS, words

PATIENCE = 400  # characters a model may talk without ending a sentence
SENTENCE = 3  # words; less is no answer to read or to hear
FREE_SHARE = 0.15  # of a sentence's words may be the model's own

_ABSTAINS = re.compile(
    r"\b(?:do(?:es)?\s+not|don't|doesn't|cannot|can't|could\s+not|couldn't|not|no)\b.{0,50}"
    r"\b(?:know|mention|specif|provide|contain|find|found|state|inform|include|say|answer|give)|"
    r"\bnot\s+(?:in|mentioned|given|specified|provided)\b|没有提到|无法|不知道",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot|hardly|unable)\b|n['’]t\b|[不没无非未]",
    re.IGNORECASE,
)
_NUMBER = re.compile(rf"(?<![^\W{CJK}])(?<!\.)[-−–]?\d+(?:[.,:]\d+)*")  # Chinese has no blank before it
_COUNTS = (
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
    "million billion trillion half quarter third dozen twice double"
)
_NUMBER_WORDS = frozenset(_COUNTS.split())
_UNIT = re.compile(
    r"\s?([^\W\d_]+|%|°\w?)(?:\s+(?:per|an?|each|every)\s+([^\W\d_]+)|[^\d.,;]{0,40}\s(?:per|an?|"
    r"(?:for\s+)?each|every)\s+(second|minute|hour|day|week|month|year|person|student)\b)?"
)
_NAME = re.compile(r"\w+(?:[-/']\w+)*")
_MARK = re.compile(r"\s*\[\d+\]")
_PREAMBLE = re.compile(
    r"(?:the\s+)?(?:correct\s+)?answer(?:\s+to\s+(?:this|the|your)\s+question)?(?:\s+is\s*:?\s*(?:that\s+)?|\s*:\s*)(?=\S)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:](?=\s)|\b(?:and|but|while|whereas|or)\b|[，；：]")
_SAYING = (
    "according based called document documents equal equals file found given known located mentioned "
    "named notes page refers reply said says source stated states text total yes also however therefore "
    "approximately around exactly roughly nearly used using make makes made"
)
_NEUTRAL = frozenset(_SAYING.split())


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
                bearer = next((one for one in found if bears_out(one, said, asked)), None)
                if bearer is None:
                    if not used:
                        yield _cited(_instead(said, question, found), cite)
                    break
                cite([bearer.n])
                yield f" {said}" if used else said
                used.append(bearer)
            else:
                if not used:
                    yield _cited(quoted(question, found), cite)
        if used:
            yield f" ({'; '.join(dict.fromkeys(place(one.hit) for one in used))})"


def _cited(quotation: Quotation, cite: Cite) -> str:
    cite(quotation.marks)
    return quotation.text


def bears_out(one: Evidence, said: str, asked: Asked) -> bool:
    """Whether this one line says what was said: its numbers with their units, its names, its sense (negated
    or not), and nearly all of its words, the question's own aside - and says more than the question did."""
    line = one.line.text
    there = words(line)
    around = words(f"{one.hit.text} {one.hit.filename}")
    known = [*there, *(word for word in asked.content if covered([word], around))]
    content = [word for word in words(said) if not (word in STOPWORDS or word in _NEUTRAL or word.isdigit())]
    new = [word for word in content if covered([word], there) and not covered([word], asked.content)]
    return (
        covered(asked.content, words(one.line.quote)) > 0
        and (not asked.names or covered(asked.names, words(one.line.quote)) == 1)
        and _tells_enough(new, said, asked)
        and covered(content, known) >= 1 - FREE_SHARE
        and all(any(alike(name, other) for other in there) for name in _names(said, line))
        and _numbers_agree(said, line, asked)
        and _same_sense(said, line, new)
        and _right_deed(there, asked)
    )


def _tells_enough(new: Sequence[str], said: str, asked: Asked) -> bool:
    """One new word alone may be a sentence turned round (`loses 5 percent`, `is lost`), unless it is a number
    or a name."""
    known = [*asked.content, *words(asked.text)]
    fresh = [word for word in (*_numbers(said), *_names(said, said)) if not covered([word], known)]
    telling = len(set(new)) >= 2 or bool(fresh)
    return telling and has_kind(asked, said) and len(words(said)) >= SENTENCE


def _right_deed(there: Sequence[str], asked: Asked) -> bool:
    """Who noticed a thing is not who explained it: of a person the line must tell the very deed."""
    deed = next((word for word in asked.content if word not in asked.names), None)
    return asked.wanted is not Wanted.PERSON or deed is None or covered([deed], there) > 0


def _same_sense(said: str, line: str, new: Sequence[str]) -> bool:
    """Negated as the line is, or not; only the clauses count from which something was taken."""
    numbers = set(_numbers(said))
    taken = [
        clause
        for clause in _CLAUSE.split(line)
        if numbers & set(_numbers(clause)) or any(covered([word], words(clause)) for word in new)
    ]
    return bool(_NEGATION.search(said)) == any(_NEGATION.search(clause) for clause in taken)


def _numbers_agree(said: str, line: str, asked: Asked) -> bool:
    numbers = _numbers(said)
    return (
        set(numbers) <= set(_numbers(line))
        and _units_agree(said, line)
        and _right_clause(numbers, line, asked)
    )


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


_POLITE = "yes sure certainly course okay ok great here answer following hello hi 好 好的"
_FILLERS = frozenset(_POLITE.split())


def _numbers(text: str) -> list[str]:
    plain = [_plain(match[0]) for match in _NUMBER.finditer(text)]
    return plain + [word for word in words(text) if word in _NUMBER_WORDS]


def _plain(number: str) -> str:
    sign = "-" if number[0] in "-−–" else ""
    return sign + re.sub(r"[,](?=\d{3}(?!\d))", "", number.lstrip("-−–"))


def _units_agree(said: str, line: str) -> bool:
    """Behind each number stands the same thing as in the line: 30 sverdrups are not 30 metres."""
    for number, unit, rate in _with_units(said):
        there = [(other, per) for same, other, per in _with_units(line) if same == number]
        if there and not any(
            (not unit or not other or alike(unit, other)) and (not per or per in words(said) or per == rate)
            for other, per in there
        ):
            return False
    return True


def _with_units(text: str) -> list[tuple[str, str, str]]:
    """Each number with what it counts and per what: 10, percent, day."""
    found: list[tuple[str, str, str]] = []
    for match in _NUMBER.finditer(text):
        behind = _UNIT.match(text, match.end())
        unit = behind[1].lower() if behind else ""
        rate = (behind[2] or behind[3] or "").lower() if behind else ""
        found.append((_plain(match[0]), "" if unit in STOPWORDS else unit, rate))
    return found


def _names(said: str, line: str) -> list[str]:
    """Words of the sentence that are written as names and must stand in the line."""
    lower = {word for word in re.findall(r"\w+", line) if word.islower()}
    found: list[str] = []
    for index, match in enumerate(_NAME.finditer(said)):
        word = match[0]
        folded = word.lower()
        if not any(c.isupper() for c in word) or folded in STOPWORDS or folded in _NEUTRAL:
            continue
        if index == 0 and word[1:].islower() and any(alike(folded, other) for other in lower):
            continue  # capital only because it begins the sentence
        found += words(word)
    return found


def _right_clause(numbers: Sequence[str], line: str, asked: Asked) -> bool:
    """Of several numbers in a line the one that was said must be the one that was asked for: no other clause
    with another number may hold more of the question's words."""
    if not numbers or set(numbers) >= set(_numbers(line)):
        return True
    taken = left = 0.0
    for clause in _CLAUSE.split(line):
        here = set(_numbers(clause))
        share = covered(asked.content, words(clause))
        if here & set(numbers):
            taken = max(taken, share)
        elif here:
            left = max(left, share)
    return taken > left
