"""How one question is answered: look into the documents if it asks for them, then let the model speak."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from application.chat.context import MOST_MESSAGES, Budget, newest, overflows, untold
from application.chat.engine import Answers, Question
from application.chat.prompt import (
    GROUNDED_MAX_TOKENS,
    GROUNDED_SYSTEM_PROMPT,
    GROUNDED_TEMPERATURE,
    SYSTEM_PROMPT,
    after_interruption,
    retold,
    turns_of,
    with_documents,
    with_summary,
)
from application.chat.telling import Telling
from application.chat.upstreams import Upstreams
from application.ports.knowledge import Knowledge, KnowledgeTimeout
from application.ports.language_model import Prompt
from application.ports.passages import Embedder
from application.ports.persistence import Context, KnownFile, Reading
from application.retrieval.citations import checked
from application.retrieval.extractive import NOT_ANSWERED, NOT_SEARCHED, extractive_answer
from application.retrieval.gate import answering
from application.retrieval.grounding import grounded
from application.retrieval.nearness import with_nearness
from application.retrieval.trigger import KEYWORDS, Trigger, trigger
from domain.conversation import Source
from domain.document import Hit
from domain.errors import DomainError, StorageUnavailable
from domain.job import JobKind

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
    """`strict`: nothing is said about documents that they do not say, and finding nothing is admitted. Where
    there is no model the documents are quoted."""

    upstreams: Upstreams
    knowledge: Knowledge
    reading: Reading
    strict: bool
    budget_s: float
    context: Budget
    embedder: Embedder  # judges what was found, whoever found it
    auto_title: bool = False
    keywords: Sequence[str] = field(default=KEYWORDS)

    @override
    async def __call__(self, question: Question, telling: Telling) -> AsyncGenerator[str]:
        context = await self._context(question)
        telling.chores |= self._chores(context)
        consulted = await self._consult(question)
        if consulted.instead is not None:
            telling.answered_by_fallback = self.upstreams.remember
            return _saying(consulted.instead)
        telling.cite(_sources(consulted.hits))
        return self._answered(question, context, consulted.hits, telling)

    async def _context(self, question: Question) -> Context:
        """What was said before, where somebody may be asked who has not heard it."""
        if not (self.upstreams.needs_turns or question.memory_is_fresh):
            return Context()
        try:
            return await self.reading.turns(question.session, question.message, MOST_MESSAGES)
        except StorageUnavailable:
            if question.memory_is_fresh:  # what is not told now would never be
                raise
            log.warning("answered without what was said before")
            return Context()

    def _chores(self, context: Context) -> set[JobKind]:
        if self.upstreams.writer is None:
            return set()
        title = self.auto_title and not (untold(context) or context.summary)
        summary = overflows(context, self.context)
        chores = ((JobKind.TITLE_SESSION, title), (JobKind.SUMMARISE_SESSION, summary))
        return {kind for kind, wanted in chores if wanted}

    def _answered(
        self, question: Question, context: Context, hits: Sequence[Hit], telling: Telling
    ) -> AsyncGenerator[str]:
        if hits and not self.upstreams.all:
            quotation = extractive_answer(question.text, hits)
            telling.cited.update(quotation.marks)
            return _saying(quotation.text)
        prompt = self._prompt(question, context, hits)
        fresh = question.memory_is_fresh
        pieces = self.upstreams.stream(prompt, telling, memory_is_fresh=fresh)
        if not hits:
            return pieces
        if self.strict:
            return grounded(pieces, question.text, hits, telling.cited.update)
        return checked(pieces, len(hits), telling.cited.update)

    def _prompt(self, question: Question, context: Context, hits: Sequence[Hit]) -> Prompt:
        guarded = self.strict and bool(hits)
        nonce = secrets.token_hex(8)
        asked = with_documents(question.text, hits, nonce, citing=not guarded) if hits else question.text
        input = after_interruption(asked, question.heard, nonce)
        system = with_summary(SYSTEM_PROMPT, context.summary)
        exchanges = newest(untold(context), self.context.room(system, input))
        free = Prompt(
            user=question.user,
            memory=question.memory,
            system=system,
            input=input,
            turns=turns_of(exchanges),
            retold=retold(input, context.summary, exchanges, nonce),
        )
        if not guarded:
            return free
        return replace(  # what was said before would only lead a small model away from the passages
            free,
            input=asked,
            system=GROUNDED_SYSTEM_PROMPT,
            turns=(),
            temperature=GROUNDED_TEMPERATURE,
            max_tokens=GROUNDED_MAX_TOKENS,
        )

    async def _consult(self, question: Question) -> Consulted:
        """Within the budget, whatever the documents' side does: late or failing means without documents."""
        why = trigger(question.text, question.use_documents, (), self.keywords)
        if why is Trigger.FORBIDDEN:
            return NOTHING
        try:
            async with asyncio.timeout(self.budget_s) as budget:
                shelf = await self.reading.shelf(question.user, question.session)
                if shelf.in_session:
                    why = trigger(question.text, question.use_documents, shelf.in_session, self.keywords)
                if not (why.asks or (self.knowledge.own and shelf.in_session)):
                    return NOTHING
                hits = await self.knowledge.find(question.text, question.user, MOST_HITS, question.session)
                hits = await self._named(question, hits)
        except (TimeoutError, DomainError) as error:
            log.warning("documents not searched", extra={"cause": type(error).__name__})
            late = isinstance(error, (TimeoutError, KnowledgeTimeout))
            self.upstreams.metrics.documents_skipped("late" if late else "unavailable")
            return Consulted(instead=NOT_SEARCHED) if self.strict and why.asks else NOTHING
        # by the gate alone, guarded, or quoted: only what answers the question; else the model may judge
        if self.strict or not (why.asks and self.upstreams.all):
            hits = await self._judged(question, hits, budget.when())
        relevant = answering(question.text, hits) if self.strict or not why.asks else hits[:MOST_HITS]
        if relevant:
            return Consulted(relevant)
        must_say = why is Trigger.FORCED or (why.asks and shelf.any)
        return Consulted(instead=NOT_ANSWERED) if self.strict and must_say else NOTHING

    async def _named(self, question: Question, hits: Sequence[Hit]) -> list[Hit]:
        """Under the names people gave their files, without what must not be shown."""
        if self.knowledge.own:
            return list(hits)
        known = await self.reading.known_as(question.user, [hit.filename for hit in hits])
        return [named for hit in hits if (named := _named(hit, known))]

    async def _judged(self, question: Question, hits: list[Hit], until: float | None) -> list[Hit]:
        """With the nearness of their lines. Where that cannot be had by then, words must do."""
        try:
            async with asyncio.timeout_at(until):
                return await with_nearness(self.embedder, question.text, hits)
        except (TimeoutError, DomainError) as error:
            log.warning("judged by words alone", extra={"cause": type(error).__name__})
            return hits


def _named(hit: Hit, known: Sequence[KnownFile]) -> Hit | None:
    """Under the name its file really has. None when that is deleted, or when it is no file of the asker's and
    not said to be public: it may be somebody else's. What is public and not ours keeps its name."""
    meant = [one for one in known if one.index_name == hit.filename and hit.public in (None, one.public)]
    if any(one.deleted for one in meant):
        return None
    if not meant:
        return hit if hit.public else None
    return replace(hit, filename=meant[0].original_name, file_id=meant[0].id)


async def _saying(text: str) -> AsyncGenerator[str]:
    yield text


def _sources(hits: Sequence[Hit]) -> list[Source]:
    return [
        Source(n, hit.filename, hit.page, hit.score, " ".join(hit.text.split())[:SNIPPET_MAX], hit.file_id)
        for n, hit in enumerate(hits, 1)
    ]
