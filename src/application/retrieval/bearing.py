"""Does a line of a document bear out what was said? In doubt not: a quotation is never untrue. Pure."""

import re
from collections.abc import Sequence

from application.retrieval.clauses import clauses, nothing_passed_over, right_member, right_number
from application.retrieval.evidence import Evidence, has_kind
from application.retrieval.figures import numbers, units_agree
from application.retrieval.forms import Vocabulary, alike
from application.retrieval.question import Asked, Wanted
from domain.words import STOPWORDS, words

SENTENCE = 3  # words; less is no answer to read or to hear
LONGEST = 2_000  # characters of a line; what is longer is quoted, but holds too much to bear out a sentence
FREE_SHARE = 0.15  # of a sentence's words may be the model's own

_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot|hardly|unable)\b|n['’]t\b|[不没无非未]",
    re.IGNORECASE,
)
_NAME = re.compile(r"\w+(?:[-/']\w+)*")
_SAYING = (
    "according based called document documents equal equals file found given known located mentioned "
    "named notes page refers reply said says source stated states text total yes also however therefore "
    "approximately around exactly roughly nearly used using make makes made"
)
_NEUTRAL = frozenset(_SAYING.split())


def bearer(said: str, asked: Asked, found: Sequence[Evidence]) -> Evidence | None:
    """The line that bears out what was said; None where there is none, or where another one holds all that
    this one holds of the question and more: then the question is answered there."""
    held = {one.holds for one in found}
    fullest = {here for here in held if not any(other > here for other in held)}
    return next((one for one in found if one.holds in fullest and bears_out(one, said, asked)), None)


def bears_out(one: Evidence, said: str, asked: Asked) -> bool:
    """Whether this one line says what was said: its numbers with their units, its names, its sense (negated
    or not), and nearly all of its words, the question's own aside - and says more than the question did."""
    line = one.line.text
    if not one.holds or len(line) > LONGEST:
        return False
    here = words(line)
    there, known = Vocabulary(here), Vocabulary([*here, *one.around])
    content = [word for word in words(said) if not (word in STOPWORDS or word in _NEUTRAL or word.isdigit())]
    new = [word for word in content if there.holds(word) and not asked.vocabulary.holds(word)]
    return (
        (not asked.names or Vocabulary(words(one.line.quote)).covers(asked.names) == 1)
        and _tells_enough(new, said, asked)
        and known.covers(content) >= 1 - FREE_SHARE
        and all(map(there.holds, _names(said, line)))
        and set(numbers(said)) <= set(numbers(line))
        and units_agree(said, line)
        and (_right_row(said, line) if one.line.is_row else _right_part(said, new, line, asked))
        and _right_deed(there, asked)
    )


def _right_row(said: str, line: str) -> bool:
    """Which of a row's figures belongs to which column, words cannot tell."""
    return set(numbers(said)) in (set(), set(numbers(line))) and _is_negated(said) == _is_negated(line)


def _right_part(said: str, new: Sequence[str], line: str, asked: Asked) -> bool:
    parts = clauses(line, asked.content)
    told, figures = Vocabulary(words(said)), numbers(said)
    taken = [part.text for part in parts if part.tells(new, figures)]
    return (
        right_number(figures, parts)
        and right_member(told, new, parts)
        and nothing_passed_over(told, new, figures, parts)
        # negated as the line is, or not; only the clauses count from which something was taken
        and _is_negated(said) == any(map(_is_negated, taken))
    )


def _is_negated(text: str) -> bool:
    return _NEGATION.search(text) is not None


def _tells_enough(new: Sequence[str], said: str, asked: Asked) -> bool:
    """One new word alone may be a sentence turned round (`loses 5 percent`, `is lost`), unless it is a number
    or a name."""
    known = Vocabulary([*asked.content, *words(asked.text)])
    telling = len(set(new)) >= 2 or not all(map(known.holds, (*numbers(said), *_names(said, said))))
    return telling and has_kind(asked, said) and len(words(said)) >= SENTENCE


def _right_deed(there: Vocabulary, asked: Asked) -> bool:
    """Who noticed a thing is not who explained it: of a person the line must tell the very deed."""
    deed = next((word for word in asked.content if word not in asked.names), None)
    return asked.wanted is not Wanted.PERSON or deed is None or there.holds(deed)


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
