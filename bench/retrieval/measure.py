"""Figures: how often the right passage is found, how often silence is right, and what it takes."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from application.retrieval.gate import answering
from application.retrieval.nearness import with_nearness
from bench.retrieval.indexes import Shelf
from bench.retrieval.questions import Question
from domain.document import Hit, index_name

MOST = 5


@dataclass(frozen=True)
class Searched:
    """What was found, and what of it the gate let pass."""

    hits: tuple[Hit, ...]
    passing: tuple[Hit, ...]
    seconds: float
    judging: float  # seconds more, to compare the lines


@dataclass(frozen=True)
class Outcome:
    question: Question
    searched: Searched

    @property
    def rank(self) -> int | None:
        """Where the first passage stands that holds the answer, from 1."""
        ranks = (n for n, hit in enumerate(self.searched.hits, 1) if self.question.is_answered_by(hit))
        return next(ranks, None)

    @property
    def on_page(self) -> bool:
        return any(self.question.is_on(hit) for hit in self.searched.hits[:1])

    @property
    def passed(self) -> bool:
        """Whether the gate let a passage through that holds the answer."""
        return any(self.question.is_answered_by(hit) for hit in self.searched.passing)

    @property
    def shut_out(self) -> bool:
        return not self.searched.passing


async def search(shelf: Shelf, question: str, names: Sequence[str]) -> Searched:
    began = time.perf_counter()
    hits = list(await shelf.knowledge.find(question, shelf.reader, MOST))
    seconds = time.perf_counter() - began
    if not shelf.knowledge.own:  # such an index knows files by other names
        really = {index_name(name): name for name in names}
        hits = [replace(hit, filename=really.get(hit.filename, hit.filename)) for hit in hits]
    began = time.perf_counter()
    hits = await with_nearness(shelf.embedder, question, hits)
    passing = answering(question, hits)
    return Searched(tuple(hits), tuple(passing), seconds, time.perf_counter() - began)


def share(values: Sequence[bool]) -> str:
    return f"{100 * sum(values) / len(values):.0f}" if values else "-"


@dataclass(frozen=True)
class Figures:
    """Of the questions in one language, or of one kind."""

    outcomes: Sequence[Outcome]
    silences: Sequence[Searched]  # for questions that nothing answers

    def cells(self) -> list[str]:
        ranks = [outcome.rank for outcome in self.outcomes]
        paged = [outcome.on_page for outcome in self.outcomes if outcome.question.page is not None]
        searches = [*(outcome.searched for outcome in self.outcomes), *self.silences]
        return [
            str(len(self.outcomes)),
            share([rank == 1 for rank in ranks]),
            share([rank is not None for rank in ranks]),
            f"{sum(1 / rank for rank in ranks if rank) / len(ranks):.2f}",
            share(paged),
            share([outcome.passed for outcome in self.outcomes]),
            share([outcome.shut_out for outcome in self.outcomes]),
            f"{sum(not one.passing for one in self.silences)} / {len(self.silences)}"
            if self.silences
            else "",
            _times([one.seconds for one in searches]),
            _times([one.judging for one in searches]),
        ]


HEADS = ("n", "R@1", "R@5", "MRR", "page", "passed", "shut out", "silent", "search, ms", "gate, ms")


def _times(seconds: Sequence[float]) -> str:
    """Median and 95th percentile, in milliseconds."""
    late = sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    return f"{1000 * statistics.median(seconds):.0f} / {1000 * late:.0f}"
