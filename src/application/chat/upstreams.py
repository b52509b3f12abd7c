"""The models of the house in the order of asking. Who fails before his first word is replaced by the next."""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from application.chat.breaker import Breaker, BreakerState, Entry
from application.chat.telling import Telling
from application.ports.language_model import (
    LanguageModel,
    ModelSilent,
    ModelTimeout,
    ModelUnreachable,
    Prompt,
)
from application.ports.metrics import ReplyMetrics
from domain.errors import DomainError

log = logging.getLogger(__name__)

# A question that one model refuses must not shut it for everybody; only silence does.
ABSENCES = (ModelUnreachable, ModelTimeout)


@dataclass(frozen=True, slots=True)
class Upstream:
    """`name` is for operators. `longest` bounds its answers where the prompt does not."""

    name: str
    model: LanguageModel
    breaker: Breaker
    longest: int | None = None

    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        return self.model.stream(replace(prompt, max_tokens=prompt.max_tokens or self.longest))


def guarded(
    name: str,
    model: LanguageModel,
    metrics: ReplyMetrics,
    *,
    longest: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Upstream:
    """A model behind a breaker of its own, whose state operators see."""

    def changed(state: BreakerState) -> None:
        metrics.breaker(name, state)
        log.warning("breaker", extra={"upstream": name, "state": state.value})

    return Upstream(name, model, Breaker(clock, changed), longest)


@dataclass(frozen=True, slots=True)
class Upstreams:
    """One for the whole process, so that all questions learn from each other's failures."""

    all: Sequence[Upstream]
    metrics: ReplyMetrics

    @property
    def writer(self) -> LanguageModel | None:
        """Who writes titles and summaries: one that remembers would remember those as well."""
        return next((each.model for each in self.all if not each.model.remembers), None)

    @property
    def needs_turns(self) -> bool:
        """Whether somebody may be asked who has not heard the conversation."""
        return len(self.all) > 1 or self.writer is not None

    @property
    def remember(self) -> bool:
        """Whether one of them keeps conversations by itself."""
        return any(each.model.remembers for each in self.all)

    async def stream(
        self, prompt: Prompt, telling: Telling, *, memory_is_fresh: bool = False
    ) -> AsyncGenerator[str]:
        """The answer of the first model that says anything; never of two. Raises the refusals of
        LanguageModel."""
        refusals: list[DomainError] = []
        heard = prompt if memory_is_fresh else replace(prompt, retold=None)
        for place, upstream in enumerate(self.all):
            entry = upstream.breaker.enter()
            if entry is None:
                continue
            asked_at = telling.clock()
            async with aclosing(upstream.stream(prompt if place else heard)) as pieces:
                try:
                    first = await self._first(upstream, entry, pieces)
                except DomainError as refusal:
                    refusals.append(refusal)
                    continue
                telling.asked_model_at = asked_at
                telling.answered_by_fallback = place > 0 and self.remember
                yield first
                try:
                    async for piece in pieces:
                        yield piece
                except DomainError as refusal:
                    self._note(upstream, refusal)
                    raise
                return
        raise _telling_most(refusals) if refusals else ModelUnreachable(retry_after=self._wait_s())

    async def _first(self, upstream: Upstream, entry: Entry, pieces: AsyncGenerator[str]) -> str:
        """The first piece; the breaker is told how it went."""
        breaker = upstream.breaker
        try:
            first = await anext(pieces, "")
            breaker.answered(entry)
            if not first:
                raise ModelSilent
        except ABSENCES as absence:
            breaker.failed(entry, getattr(absence, "retry_after", None))
            self._note(upstream, absence)
            raise
        except DomainError as refusal:
            breaker.answered(entry)
            self._note(upstream, refusal)
            raise
        finally:
            breaker.left(entry)
        return first

    def _note(self, upstream: Upstream, refusal: DomainError) -> None:
        self.metrics.upstream_failed(upstream.name, refusal.event)
        log.warning("model failed", extra={"upstream": upstream.name, "code": refusal.event})

    def _wait_s(self) -> int | None:
        return min((each.breaker.wait_s() for each in self.all), default=None)


def _telling_most(refusals: Sequence[DomainError]) -> DomainError:
    """Of equals the one who was asked first; who was not even there says least."""
    return next((each for each in refusals if _says_something(each)), refusals[0])


def _says_something(refusal: DomainError) -> bool:
    return not isinstance(refusal, ModelUnreachable) or refusal.retry_after is not None
