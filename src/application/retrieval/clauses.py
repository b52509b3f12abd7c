"""From which part of a line a sentence was taken. `The commonest gas is vapour, followed by methane` holds
every word of `the commonest gas is methane`, and says something else. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from application.retrieval.figures import numbers
from application.retrieval.forms import Vocabulary
from domain.words import STOPWORDS, words

_BETWEEN = re.compile(r"[,;:](?=\s)|\b(?:and|but|while|whereas|or)\b|[，；：、]")


@dataclass(frozen=True, slots=True)
class Clause:
    text: str
    words: tuple[str, ...]
    vocabulary: Vocabulary  # of these
    numbers: frozenset[str]
    asked: frozenset[str]  # the words of the question that it holds

    def tells(self, new: Sequence[str], figures: Sequence[str]) -> bool:
        """Whether something of what was said stands in it."""
        return not self.numbers.isdisjoint(figures) or any(map(self.vocabulary.holds, new))


def clauses(line: str, content: Sequence[str]) -> list[Clause]:
    """The parts of a line; `content` are the words of the question."""
    return [_clause(part, content) for part in _BETWEEN.split(line) if words(part)]


def right_number(figures: Sequence[str], parts: Sequence[Clause]) -> bool:
    """Of several numbers in a line the one that was said must be the one that was asked for: no other clause
    with another number may hold as many of the question's words."""
    told = set(figures)
    if not told or told >= set().union(*(clause.numbers for clause in parts)):
        return True
    taken = max((len(clause.asked) for clause in parts if clause.numbers & told), default=0)
    left = max(
        (len(clause.asked) for clause in parts if clause.numbers and not clause.numbers & told), default=0
    )
    return taken > left


def right_member(said: Vocabulary, new: Sequence[str], parts: Sequence[Clause]) -> bool:
    """Of an enumeration nothing is told of one member that the line says of another: what stands in a clause
    with less of the question in it is told only together with all that stands beside the question's words."""
    untold = {clause.asked for clause in parts if not _told_in_full(clause, said)}
    reached = [clause for clause in parts if not any(asked > clause.asked for asked in untold)]
    return all(any(clause.vocabulary.holds(word) for clause in reached) for word in new)


def nothing_passed_over(
    said: Vocabulary, new: Sequence[str], figures: Sequence[str], parts: Sequence[Clause]
) -> bool:
    """No word of the question may stand only in clauses of which nothing is told: the answer is there."""
    told = [clause for clause in parts if clause.tells(new, figures)]
    reached = frozenset().union(*(clause.asked for clause in told))
    return all(said.holds(word) for clause in parts for word in clause.asked - reached)


def _clause(text: str, content: Sequence[str]) -> Clause:
    found = words(text)
    vocabulary = Vocabulary(found)
    return Clause(text, tuple(found), vocabulary, frozenset(numbers(text)), vocabulary.held(content))


def _told_in_full(clause: Clause, said: Vocabulary) -> bool:
    """As far as words go that neither fill nor were asked for; a number is often the date beside it."""
    asked = Vocabulary(clause.asked)
    own = (w for w in clause.words if w not in STOPWORDS and not w.isdigit() and not asked.holds(w))
    return all(map(said.holds, own))
