"""From which part of a line a sentence was taken. `The commonest gas is vapour, followed by methane` holds
every word of `the commonest gas is methane`, and says something else. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from application.retrieval.evidence import covered
from application.retrieval.figures import numbers
from domain.words import STOPWORDS, words

_BETWEEN = re.compile(r"[,;:](?=\s)|\b(?:and|but|while|whereas|or)\b|[，；：、]")


@dataclass(frozen=True, slots=True)
class Clause:
    text: str
    words: tuple[str, ...]
    numbers: frozenset[str]
    asked: frozenset[str]  # the words of the question that it holds

    def holds(self, word: str) -> bool:
        return covered([word], self.words) > 0

    def tells(self, new: Sequence[str], figures: Sequence[str]) -> bool:
        """Whether something of what was said stands in it."""
        return not self.numbers.isdisjoint(figures) or any(map(self.holds, new))


def clauses(line: str, content: Sequence[str]) -> list[Clause]:
    """The parts of a line; `content` are the words of the question."""
    parts = [(part, tuple(words(part))) for part in _BETWEEN.split(line)]
    return [
        Clause(part, found, frozenset(numbers(part)), frozenset(w for w in content if covered([w], found)))
        for part, found in parts
        if found
    ]


def right_number(figures: Sequence[str], line: Sequence[Clause]) -> bool:
    """Of several numbers in a line the one that was said must be the one that was asked for: no other clause
    with another number may hold as many of the question's words."""
    told = set(figures)
    if not told or told >= set().union(*(clause.numbers for clause in line)):
        return True
    taken = max((len(clause.asked) for clause in line if clause.numbers & told), default=0)
    left = max(
        (len(clause.asked) for clause in line if clause.numbers and not clause.numbers & told), default=0
    )
    return taken > left


def right_member(said: Sequence[str], new: Sequence[str], line: Sequence[Clause]) -> bool:
    """Of an enumeration nothing is told of one member that the line says of another: what stands in a clause
    with less of the question in it is told only together with all that stands beside the question's words."""
    return all(
        any(_within_reach(clause, said, line) for clause in line if clause.holds(word)) for word in new
    )


def nothing_passed_over(
    said: Sequence[str], new: Sequence[str], figures: Sequence[str], line: Sequence[Clause]
) -> bool:
    """No word of the question may stand only in clauses of which nothing is told: the answer is there."""
    told = [clause for clause in line if clause.tells(new, figures)]
    reached = frozenset().union(*(clause.asked for clause in told))
    return all(covered([word], said) for clause in line for word in clause.asked - reached)


def _within_reach(clause: Clause, said: Sequence[str], line: Sequence[Clause]) -> bool:
    return all(_told_in_full(other, said) for other in line if other.asked > clause.asked)


def _told_in_full(clause: Clause, said: Sequence[str]) -> bool:
    """As far as words go that neither fill nor were asked for; a number is often the date beside it."""
    own = [
        w
        for w in clause.words
        if w not in STOPWORDS and not w.isdigit() and not covered([w], [*clause.asked])
    ]
    return not own or covered(own, said) == 1
