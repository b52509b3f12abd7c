"""Which sentences of the passages answer a question, and how well. Pure; the same words decide for gate,
guard and extractive answer, so that the three never disagree."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from application.retrieval.forms import Vocabulary
from application.retrieval.lines import Line, lines
from application.retrieval.question import Asked, Wanted, understood
from domain.document import Hit
from domain.words import STOPWORDS, is_cjk, is_latin, words

STRONG = 0.80  # of `Evidence.score`: certain enough to contradict a model that finds no answer
ENOUGH = 0.62
ENOUGH_WORDS = 0.6  # of the question's content words, where no cosine is known
ENOUGH_PAIRS = 0.5  # likewise in a script without blanks: pairs reach across words, and such seldom recur
WORDS_WEIGHT = 0.4
AROUND = 0.4  # of that, what the rest of the passage contributes: it tells what a line is about
CLOSE = 0.40  # no sentence further from the question than this answers it
NEARLY_THE_SAME = 0.70  # so close that the words need not match
MOST = 200  # lines: a passage of thousands of tiny ones keeps nobody waiting
ACROSS = 0.05  # what a line in another script is given for the words that it cannot share with the question

_NUMBER_WORD = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "billion half quarter third dozen twice daily weekly monthly yearly annually"
)
_NUMBER = re.compile(
    rf"\d|\b(?:one|{'|'.join(_NUMBER_WORD.split())})\b|[一二三四五六七八九十百千万亿两]", re.IGNORECASE
)
_TIME = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|century|spring|summer|autumn|winter|daily|"
    r"weekly)s?\b|[年月日点]",
    re.IGNORECASE,
)
# Capitals within a sentence; the first word too, since it may be a name.
_NAME = re.compile(r"(?:(?<![.!?:])\s|\A)[\"“(]?([A-Z][^\W\d_]+)|[\u4e00-\u9fff]{2}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line that answers the question. `n` is the mark of its hit, counted from 1."""

    n: int
    hit: Hit
    line: Line
    score: float
    holds: frozenset[str]  # the words of the question that it holds
    around: frozenset[str]  # and those that its passage holds

    @property
    def strong(self) -> bool:
        return self.score >= STRONG


@dataclass(frozen=True, slots=True)
class Seen:
    """A passage as a question sees it: what is the same for all of its lines."""

    asked: Asked
    hit: Hit
    around: frozenset[str]  # the words of the question that it holds, the name of its file included
    names_it: bool  # it holds the names in the question

    @classmethod
    def by(cls, asked: Asked, hit: Hit) -> Self:
        present = words(f"{hit.text} {hit.filename}")
        known = Vocabulary(present)
        return cls(asked, hit, known.held(asked.content), _holds_names(asked.names, present, known))

    def may_answer(self, line: Line) -> bool:
        """Whether it holds a thing of the kind that is asked for, in a passage with the names in the
        question, as far as the words can tell. In another script the names are written otherwise."""
        return has_kind(self.asked, line.quote) and (self.names_it or self._is_across(line))

    def score(self, line: Line, near: float | None, holds: frozenset[str]) -> float | None:
        """How well the line answers, if it does. `holds` are the words of the question in it."""
        if self._is_across(line):  # they share no word, whatever the line says
            return near + ACROSS if near is not None and near + ACROSS >= ENOUGH else None
        asked = self.asked
        share = (1 - AROUND) * _share(holds, asked) + AROUND * _share(self.around, asked)
        if near is None:
            return share if share >= _enough(asked) else None
        if asked.wanted in (Wanted.PERSON, Wanted.TIME) and near < NEARLY_THE_SAME:
            # "Who designed X?" and "When was X born?" are not answered by just any name or date beside X.
            told = [word for word in asked.content if word not in asked.names]
            if told and holds.isdisjoint(told):
                return None
        score = near + WORDS_WEIGHT * share
        return score if near >= CLOSE and score >= ENOUGH else None

    def _is_across(self, line: Line) -> bool:
        return self.asked.latin != is_latin(line.quote)


def evidence(question: str, hits: Sequence[Hit]) -> list[Evidence]:
    """The lines that answer the question, best first, at most `MOST`; none when nothing does."""
    asked = understood(question)
    if asked.inventing:
        return []
    found: dict[str, Evidence] = {}
    for n, hit in enumerate(hits, 1):
        seen = Seen.by(asked, hit)
        for index, line in enumerate(lines(hit.text)):
            if line.text in found or not seen.may_answer(line):
                continue
            near = hit.nearness[index] if index < len(hit.nearness) else None
            holds = Vocabulary(words(line.quote)).held(asked.content)
            score = seen.score(line, near, holds)
            if score is not None:
                found[line.text] = Evidence(n, hit, line, score, holds, seen.around)
    return sorted(found.values(), key=lambda one: -one.score)[:MOST]


def _holds_names(names: Sequence[str], present: Sequence[str], known: Vocabulary) -> bool:
    as_written = frozenset(present)
    initials = "".join(word[0] for word in present)
    return all(
        name in as_written
        or (len(name) >= 6 and known.holds(name))  # HTTPS is not HTTP: only longer names may be inflected
        or (len(name) >= 3 and name in initials)
        for name in names
    )


def _share(held: frozenset[str], asked: Asked) -> float:
    return len(held) / len(asked.content) if asked.content else 0.0


def _enough(asked: Asked) -> float:
    in_pairs = 2 * sum(map(is_cjk, asked.content)) > len(asked.content)
    return ENOUGH_PAIRS if in_pairs else ENOUGH_WORDS


def has_kind(asked: Asked, text: str) -> bool:
    """Whether the text holds a thing of the kind that was asked for, beside what the question itself
    brought."""
    if asked.measure is not None and is_latin(text) and not asked.measure.search(text):
        return False
    if asked.wanted is Wanted.NUMBER:
        return _NUMBER.search(text) is not None
    if asked.wanted is Wanted.TIME:
        return _TIME.search(text) is not None
    if asked.wanted is Wanted.PERSON:
        return any(
            not asked.vocabulary.holds(word)
            for found in _NAME.finditer(text)
            for word in words(found[0])
            if word not in STOPWORDS and not _TIME.search(found[0])
        )
    return True
