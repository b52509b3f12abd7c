"""How one question is answered: look into the documents if it asks for them, then let the model speak."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from typing_extensions import override

from application.chat.engine import Answers, Question
from application.chat.prompt import (
    GROUNDED_MAX_TOKENS,
    GROUNDED_SYSTEM_PROMPT,
    GROUNDED_TEMPERATURE,
    SYSTEM_PROMPT,
    with_documents,
)
from application.documents.extractive import NOT_ANSWERED, NOT_SEARCHED, extractive_answer
from application.documents.gate import answering
from application.documents.grounding import grounded
from application.documents.nearness import with_nearness
from application.documents.trigger import KEYWORDS, Trigger, trigger
from application.ports.knowledge import Knowledge
from application.ports.language_model import LanguageModel, Prompt
from application.ports.passages import Embedder
from application.ports.persistence import Reading
from domain.conversation import Source
from domain.document import Hit
from domain.errors import DomainError

log = logging.getLogger(__name__)

SNIPPET_MAX = 200
MOST_HITS = 5


@dataclass(frozen=True, slots=True)
class Consulted:
    """What the documents gave: passages for the prompt, or words that replace the model's."""

    hits: Sequence[Hit] = ()
    instead: str | None = None


NOTHING = Consulted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Answers):
    """`strict`: nothing is said about documents that they do not say, and finding nothing is admitted.
    `writes`: whether a model is there at all; without one the documents are quoted."""

    model: LanguageModel
    knowledge: Knowledge
    reading: Reading
    strict: bool
    budget_s: float
    writes: bool = True
    embedder: Embedder | None = None  # judges what a RAG service found; our own index has done so already
    max_tokens: int | None = None  # of an answer without documents; None: the model's own limit
    keywords: Sequence[str] = field(default=KEYWORDS)

    @override
    async def __call__(
        self, question: Question, cite: Callable[[Sequence[Source]], None]
    ) -> AsyncGenerator[str]:
        consulted = await self._consult(question)
        if consulted.instead is not None:
            yield consulted.instead
            return
        cite(_sources(consulted.hits))
        async with aclosing(self._speak(question, consulted.hits)) as pieces:
            async for piece in pieces:
                yield piece

    async def _speak(self, question: Question, hits: Sequence[Hit]) -> AsyncGenerator[str]:
        if hits and not self.writes:
            yield extractive_answer(question.text, hits) or NOT_ANSWERED
            return
        pieces = self.model.stream(self._prompt(question, hits))
        if hits and self.strict:
            pieces = grounded(pieces, question.text, hits)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def _prompt(self, question: Question, hits: Sequence[Hit]) -> Prompt:
        free = Prompt(
            user=question.user,
            memory=question.memory,
            system=SYSTEM_PROMPT,
            input=question.text,
            max_tokens=self.max_tokens,
        )
        if not hits:
            return free
        quoting = replace(free, input=with_documents(question.text, hits, secrets.token_hex(8)))
        if not self.strict:
            return quoting
        return replace(
            quoting,
            system=GROUNDED_SYSTEM_PROMPT,
            temperature=GROUNDED_TEMPERATURE,
            max_tokens=GROUNDED_MAX_TOKENS,
        )

    async def _consult(self, question: Question) -> Consulted:
        """Within the budget, whatever the documents' side does: late or failing means without documents."""
        why = trigger(question.text, question.use_documents, (), self.keywords)
        try:
            async with asyncio.timeout(self.budget_s):
                shelf = await self.reading.shelf(question.user, question.session)
                why = trigger(question.text, question.use_documents, shelf.in_session, self.keywords)
                if why is Trigger.FORBIDDEN or not (why.asks or (self.knowledge.own and shelf.in_session)):
                    return NOTHING
                hits = await self._named(
                    question, await self.knowledge.find(question.text, question.user, MOST_HITS)
                )
        except (TimeoutError, DomainError) as error:
            log.warning("documents not searched", extra={"cause": type(error).__name__})
            return Consulted(instead=NOT_SEARCHED) if self.strict and why.asks else NOTHING
        # by the gate alone, or guarded: only what answers the question; else the model may judge
        relevant = answering(question.text, hits) if self.strict or not why.asks else hits[:MOST_HITS]
        if relevant:
            return Consulted(relevant)
        must_say = why is Trigger.FORCED or (why.asks and shelf.any)
        return Consulted(instead=NOT_ANSWERED) if self.strict and must_say else NOTHING

    async def _named(self, question: Question, hits: Sequence[Hit]) -> list[Hit]:
        """Under the names people gave their files; what was deleted meanwhile is dropped."""
        if self.knowledge.own:
            return list(hits)
        if self.strict and self.embedder is not None:
            hits = await with_nearness(self.embedder, question.text, hits)
        names = await self.reading.original_names(question.user, [hit.filename for hit in hits])
        named = [(hit, names.get(hit.filename, hit.filename)) for hit in hits]
        return [replace(hit, filename=name) for hit, name in named if name is not None]


def _sources(hits: Sequence[Hit]) -> list[Source]:
    return [
        Source(n, hit.filename, hit.page, hit.score, " ".join(hit.text.split())[:SNIPPET_MAX])
        for n, hit in enumerate(hits, 1)
    ]
