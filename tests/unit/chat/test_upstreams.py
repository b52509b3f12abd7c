"""Whoever fails, and in whichever order: one answer at most, and the next question knows."""

import asyncio
from contextlib import aclosing
from itertools import permutations

import pytest

from application.chat.breaker import FAILURES_TO_OPEN, BreakerState
from application.chat.telling import Telling
from application.chat.upstreams import Upstreams, guarded
from application.ports.language_model import (
    ModelFailed,
    ModelSilent,
    ModelTimeout,
    ModelUnreachable,
    Prompt,
    Turn,
)
from domain.conversation import MemoryId, Speaker
from domain.errors import DomainError
from domain.user import UserId
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.metrics import FakeReplyMetrics

PROMPT = Prompt(
    user=UserId(1),
    memory=MemoryId(7),
    system="You are a tutor.",
    input="And now?",
    turns=[Turn(Speaker.USER, "Before?")],
    retold="Before? And now?",
)


class Chain:
    """Upstreams in a row, one clock, and what operators see."""

    def __init__(self, *models: FakeLanguageModel) -> None:
        self.models = models
        self.now = 0.0
        self.metrics = FakeReplyMetrics()
        self.upstreams = Upstreams(
            [guarded(m.name, m, self.metrics, clock=lambda: self.now) for m in models], self.metrics
        )

    async def ask(self, *, memory_is_fresh: bool = False) -> tuple[str, Telling]:
        told = Telling(lambda _: None, lambda: self.now)
        said = ""
        async with aclosing(self.upstreams.stream(PROMPT, told, memory_is_fresh=memory_is_fresh)) as pieces:
            async for piece in pieces:
                said += piece
        return said, told

    async def refusal(self) -> DomainError:
        with pytest.raises(DomainError) as refused:
            await self.ask()
        return refused.value

    @property
    def asked(self) -> list[int]:
        return [len(model.prompts) for model in self.models]

    @property
    def states(self) -> list[BreakerState]:
        return [each.breaker.state for each in self.upstreams.all]

    async def shut(self, model: FakeLanguageModel) -> None:
        refuse(model, ModelUnreachable())
        for _ in range(FAILURES_TO_OPEN):
            try:
                await self.ask()
            except ModelUnreachable:
                continue


def a_model(name: str, *pieces: str, remembers: bool = False) -> FakeLanguageModel:
    model = FakeLanguageModel(*(pieces or (f"I am {name}", ".")), name=name)
    model.remembers = remembers
    return model


def refuse(model: FakeLanguageModel, refusal: DomainError, *, after: int = 0) -> FakeLanguageModel:
    model.fails_with, model.fails_after = refusal, after
    return model


def well(model: FakeLanguageModel) -> None:
    model.fails_with = None


async def asked(model: FakeLanguageModel) -> None:
    while not model.speaking:  # noqa: ASYNC110 (a fake tells nobody)
        await asyncio.sleep(0)


class TestOrder:
    async def test_the_first_answers_and_nobody_else_is_asked(self) -> None:
        chain = Chain(a_model("a"), a_model("b"))
        said, told = await chain.ask()
        assert (said, chain.asked, told.answered_by_fallback) == ("I am a.", [1, 0], False)

    @pytest.mark.parametrize(
        "refusals", list(permutations([ModelUnreachable(), ModelTimeout(), ModelFailed(), None], 3))
    )
    async def test_the_first_that_says_something_answers(
        self, refusals: tuple[DomainError | None, ...]
    ) -> None:
        models = [a_model("a"), a_model("b"), a_model("c")]
        for model, refusal in zip(models, refusals, strict=True):
            model.fails_with, model.fails_after = refusal, 0
        chain = Chain(*models)
        if None not in refusals:
            said_most = next(r for r in refusals if not isinstance(r, ModelUnreachable))
            assert await chain.refusal() is said_most
            return
        place = refusals.index(None)
        said, _ = await chain.ask()
        assert said == f"I am {'abc'[place]}."
        assert chain.asked == [1] * (place + 1) + [0] * (2 - place)

    async def test_a_reply_without_text_goes_on_to_the_next(self) -> None:
        silent = a_model("a", "")
        chain = Chain(silent, a_model("b"))
        said, _ = await chain.ask()
        assert (said, chain.metrics.failures) == ("I am b.", [("a", "llm_empty")])

    async def test_the_silence_of_all_is_silence(self) -> None:
        chain = Chain(a_model("a", ""))
        assert isinstance(await chain.refusal(), ModelSilent)
        assert chain.states == [BreakerState.CLOSED]

    async def test_the_failed_one_is_closed_before_the_next_is_asked(self) -> None:
        first, second = refuse(a_model("a"), ModelFailed()), a_model("b")
        second.hold_after = 0
        asking = asyncio.create_task(Chain(first, second).ask())
        await asked(second)
        assert first.speaking == 0
        second.release()
        await asking

    async def test_a_busy_primary_that_says_when_is_what_the_reader_is_told(self) -> None:
        refusal = ModelUnreachable(retry_after=9)
        chain = Chain(refuse(a_model("a"), refusal), refuse(a_model("b"), ModelUnreachable()))
        assert await chain.refusal() is refusal


class TestOneGeneration:
    @pytest.mark.parametrize("refusal", [ModelUnreachable(), ModelTimeout(), ModelFailed()])
    async def test_after_the_first_piece_nobody_else_is_asked(self, refusal: DomainError) -> None:
        chain = Chain(refuse(a_model("a"), refusal, after=1), a_model("b"))
        assert await chain.refusal() is refusal
        assert chain.asked == [1, 0]
        assert chain.metrics.failures == [("a", refusal.event)]
        assert chain.states[0] is BreakerState.CLOSED

    @pytest.mark.parametrize("answering", [0, 1])
    async def test_who_leaves_in_mid_stream_closes_the_one_that_is_open(self, answering: int) -> None:
        models = [a_model("a"), a_model("b")]
        for model in models[:answering]:
            refuse(model, ModelFailed())
        chain = Chain(*models)
        told = Telling(lambda _: None, lambda: 0.0)
        async with aclosing(chain.upstreams.stream(PROMPT, told)) as pieces:
            await anext(pieces)
        assert [model.speaking for model in models] == [0, 0]
        assert [model.closed_early for model in models] == [int(n == answering) for n in range(2)]

    async def test_who_is_stopped_before_the_first_piece_closes_it_too(self) -> None:
        model = a_model("a")
        model.hold_after = 0
        asking = asyncio.create_task(Chain(model).ask())
        await asked(model)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (model.speaking, model.closed_early) == (0, 1)


class TestBreaker:
    async def test_a_shut_model_is_not_asked(self) -> None:
        down = a_model("a")
        chain = Chain(down, a_model("b"))
        await chain.shut(down)
        said, told = await chain.ask()
        assert (said, chain.asked) == ("I am b.", [FAILURES_TO_OPEN, FAILURES_TO_OPEN + 1])
        assert told.answered_by_fallback is False  # nobody here remembers anything
        assert chain.metrics.breakers == [("a", "open")]

    async def test_is_asked_again_after_the_pause(self) -> None:
        down = a_model("a")
        chain = Chain(down, a_model("b"))
        await chain.shut(down)
        well(down)
        chain.now += 5
        assert (await chain.ask())[0] == "I am a."
        assert chain.states == [BreakerState.CLOSED] * 2

    async def test_a_refused_question_shuts_nobody_out(self) -> None:
        chain = Chain(refuse(a_model("a"), ModelFailed()))
        for _ in range(3 * FAILURES_TO_OPEN):
            await chain.refusal()
        assert chain.states == [BreakerState.CLOSED]

    async def test_when_all_are_shut_the_reader_is_told_when_to_come_back(self) -> None:
        first, second = a_model("a"), a_model("b")
        chain = Chain(refuse(first, ModelUnreachable(retry_after=30)), second)
        refuse(second, ModelUnreachable(retry_after=12))
        await chain.refusal()
        chain.now += 2
        refusal = await chain.refusal()
        assert (type(refusal), getattr(refusal, "retry_after", None)) == (ModelUnreachable, 10)
        assert chain.asked == [1, 1]

    async def test_fifty_questions_after_the_pause_make_one_probe(self) -> None:
        down = a_model("a")
        chain = Chain(down, a_model("b"))
        await chain.shut(down)
        well(down)
        down.hold_after = 0
        chain.now += 5
        asked_before = len(down.prompts)
        asking = [asyncio.create_task(chain.ask()) for _ in range(50)]
        _, pending = await asyncio.wait(asking, timeout=0.2)
        assert (len(pending), len(down.prompts) - asked_before) == (1, 1)
        down.release()
        said = sorted(said for said, _ in await asyncio.gather(*asking))
        assert said == ["I am a.", *["I am b."] * 49]

    async def test_a_probe_that_is_stopped_leaves_its_place(self) -> None:
        down = a_model("a")
        chain = Chain(down)
        await chain.shut(down)
        well(down)
        down.hold_after = 0
        chain.now += 5
        probe = asyncio.create_task(chain.ask())
        await asyncio.sleep(0.01)
        assert chain.states == [BreakerState.HALF_OPEN]
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        down.hold_after = None
        assert (await chain.ask())[0] == "I am a."


class TestTelling:
    async def test_when_the_model_was_asked_that_answers(self) -> None:
        chain = Chain(refuse(a_model("a"), ModelFailed()), a_model("b"))
        chain.now = 42.0
        _, told = await chain.ask()
        assert told.asked_model_at == 42.0

    async def test_of_nobody_if_all_refuse(self) -> None:
        chain = Chain(refuse(a_model("a"), ModelFailed()))
        told = Telling(lambda _: None, lambda: 0.0)
        with pytest.raises(ModelFailed):
            await anext(chain.upstreams.stream(PROMPT, told))
        assert told.asked_model_at is None

    @pytest.mark.parametrize("who_remembers", [0, 1])
    async def test_that_somebody_who_remembers_did_not_hear_it(self, who_remembers: int) -> None:
        models = [a_model(name, remembers=n == who_remembers) for n, name in enumerate("ab")]
        refuse(models[0], ModelFailed())
        _, told = await Chain(*models).ask()
        assert told.answered_by_fallback

    async def test_the_primary_hears_the_turns_only_under_a_fresh_memory(self) -> None:
        model = a_model("a", remembers=True)
        chain = Chain(model)
        await chain.ask()
        await chain.ask(memory_is_fresh=True)
        assert [prompt.retold for prompt in model.prompts] == [None, PROMPT.retold]

    async def test_a_fallback_always_hears_the_turns(self) -> None:
        second = a_model("b", remembers=True)
        await Chain(refuse(a_model("a", remembers=True), ModelFailed()), second).ask()
        assert second.prompts[0].retold == PROMPT.retold


class TestWriter:
    async def test_is_the_first_that_does_not_remember(self) -> None:
        service, other = a_model("a", remembers=True), a_model("b")
        assert Chain(service, other).upstreams.writer is other
        assert Chain(service).upstreams.writer is None

    @pytest.mark.parametrize(("remember", "needs"), [([True], False), ([False], True), ([True, True], True)])
    def test_turns_are_needed_by_who_has_not_heard_them(self, remember: list[bool], needs: bool) -> None:
        models = [a_model(str(n), remembers=remembers) for n, remembers in enumerate(remember)]
        assert Chain(*models).upstreams.needs_turns is needs
