"""Contract 4.2, row by row."""

import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest
from typing_extensions import override

from application.chat.absent_model import AbsentModel
from application.chat.answer import Answer
from application.chat.context import Budget, tokens
from application.chat.engine import Question
from application.chat.telling import Telling
from application.chat.upstreams import Upstreams, guarded
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from application.ports.language_model import LanguageModel, ModelUnreachable, Prompt
from application.retrieval.extractive import NOT_ANSWERED, NOT_SEARCHED
from domain.conversation import MemoryId, MessageId, SessionId, Source, Speaker
from domain.document import FileId, Hit, IndexState
from domain.errors import DomainError, StorageUnavailable
from domain.job import JobKind
from domain.user import UserId
from tests.builders import a_file, a_message, a_stored_session, a_user
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.knowledge import FakeKnowledge
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.metrics import FakeReplyMetrics
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory
from tests.quotation import context_of

OSMOSIS = "Osmosis moves water through a membrane."
ASKS = "According to the document, what does osmosis move?"
REFERS = "What does it say that osmosis moves?"
SILENT = "What does osmosis move?"  # wording that asks for no document
OFF_TOPIC = "According to the document, who won the chess championship?"


def upstreams_of(*models: LanguageModel) -> Upstreams:
    metrics = FakeReplyMetrics()
    return Upstreams([guarded(model.name, model, metrics, longest=77) for model in models], metrics)


def a_question(text: str, *, use_documents: bool | None = None, memory_is_fresh: bool = False) -> Question:
    return Question(
        user=UserId(1),
        session=SessionId(1),
        message=MessageId(1000),
        answer=MessageId(1001),
        memory=MemoryId(9),
        text=text,
        use_documents=use_documents,
        memory_is_fresh=memory_is_fresh,
    )


def prompt_of(model: LanguageModel) -> Prompt:
    """The only one it got."""
    assert isinstance(model, FakeLanguageModel)
    (prompt,) = model.prompts
    return prompt


class Mistaken(FakeKnowledge):
    """A RAG service that finds the documents of everybody, and says the same of all of them."""

    def __init__(self, public: bool | None) -> None:
        super().__init__(own=False)
        self.public = public

    @override
    async def find(
        self, question: str, reader: UserId, limit: int = 5, session: SessionId | None = None
    ) -> list[Hit]:
        found = [
            hit
            for owner in (UserId(1), UserId(2))
            for hit in await FakeKnowledge.find(self, question, owner, limit, session)
        ]
        return [replace(hit, public=self.public) for hit in found]


@dataclass(eq=False)
class Library:
    """Ann, her session, her documents, and somebody who answers."""

    strict: bool = False
    own: bool = True
    model: LanguageModel = field(default_factory=lambda: FakeLanguageModel("Osmosis moves water."))
    budget_s: float = 0.05

    def __post_init__(self) -> None:
        self.database = FakeDatabase()
        self.work = FakeWorkFactory(self.database)
        self.knowledge: FakeKnowledge = FakeKnowledge(own=self.own)
        self.embedder = FakeEmbedder()

    async def opened(self) -> "Library":
        async with self.work() as w:
            for email in ("ann@example.org", "ben@example.org"):
                w.users.add(a_user(email))
            await w.flush()
            await a_stored_session(w, UserId(1))
            await a_stored_session(w, UserId(1))
            await w.commit()
        return self

    async def add(
        self,
        *pages: str,
        name: str = "notes.txt",
        owner: int = 1,
        session: int | None = 1,
        index_name: str | None = None,
        public: bool = False,
    ) -> FileId:
        """An indexed document."""
        file = a_file(
            UserId(owner),
            name,
            session=SessionId(session) if session else None,
            rag_status=IndexState.INDEXED,
            index_name=index_name,
            public=public,
        )
        async with self.work() as w:
            w.files.add(file)
            await w.commit()
        self.knowledge.texts[file.id] = pages
        # a RAG service knows it by its index name
        file.original_name = index_name or name
        await self.knowledge.index(file)
        return file.id

    async def said(self, *texts: str) -> None:
        """In the session, by turns."""
        async with self.work() as w:
            for n, text in enumerate(texts):
                speaker = Speaker.ASSISTANT if n % 2 else Speaker.USER
                w.messages.add(a_message(SessionId(1), text, speaker))
            await w.commit()

    async def ask(
        self, text: str, use: bool | None = None, *, memory_is_fresh: bool = False, **changed: object
    ) -> "Answered":
        answer = Answer(
            upstreams=upstreams_of(self.model),
            knowledge=self.knowledge,
            reading=FakeReading(self.database),
            strict=self.strict,
            budget_s=self.budget_s,
            context=Budget(turns=1000),
            embedder=self.embedder,
        )
        answer = replace(answer, **changed)  # type: ignore[arg-type]  # any field
        question = a_question(text, use_documents=use, memory_is_fresh=memory_is_fresh)
        answered = Answered(self.model)
        async with aclosing(await answer(question, answered.telling)) as pieces:
            async for piece in pieces:
                answered.text += piece
        return answered


@dataclass(eq=False)
class Answered:
    model: LanguageModel
    text: str = ""
    cited: list[Source] = field(default_factory=list)
    telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        self.telling = Telling(self.cite, time.monotonic)

    @property
    def rests_on(self) -> set[int]:
        """The numbers of the sources that the answer cites."""
        return self.telling.cited

    def cite(self, sources: Sequence[Source]) -> None:
        self.cited = list(sources)

    @property
    def prompt(self) -> str:
        """What the model was told; "" when it was not asked."""
        assert isinstance(self.model, FakeLanguageModel)
        return self.model.prompts[-1].input if self.model.prompts else ""

    @property
    def quoted(self) -> bool:
        return "=== CONTEXT FROM DOCUMENTS ===" in self.prompt


@pytest.fixture
async def library() -> Library:
    return await Library().opened()


@pytest.fixture
async def strict() -> Library:
    return await Library(strict=True).opened()


class TestTrigger:
    async def test_a_wording_that_asks_for_documents(self, library: Library) -> None:
        await library.add(OSMOSIS, session=2)
        answered = await library.ask(ASKS)
        assert answered.quoted
        assert OSMOSIS in answered.prompt
        assert answered.prompt.startswith(f"{ASKS}\n\n=== CONTEXT FROM DOCUMENTS ===\n")
        assert [(s.n, s.filename, s.page, s.snippet) for s in answered.cited] == [
            (1, "notes.txt", 1, OSMOSIS)
        ]

    async def test_b_a_reference_to_a_document_of_this_session(self, library: Library) -> None:
        await library.add(OSMOSIS, index_name="notes.txt")
        library.knowledge.own = False
        assert (await library.ask(REFERS)).quoted

    async def test_b_needs_a_document_in_this_session(self, library: Library) -> None:
        await library.add(OSMOSIS, session=2)
        answered = await library.ask(REFERS)
        assert (answered.prompt, answered.cited) == (REFERS, [])
        assert library.knowledge.asked == []

    async def test_c_a_passage_in_our_own_index_that_answers(self, library: Library) -> None:
        await library.add(OSMOSIS)
        answered = await library.ask(SILENT)
        assert answered.quoted
        assert len(answered.cited) == 1

    async def test_c_never_without_an_answer_in_it(self, library: Library) -> None:
        await library.add(OSMOSIS)
        answered = await library.ask("Who moves house today?")
        assert (answered.quoted, answered.cited) == (False, [])

    async def test_c_not_at_a_rag_service(self, library: Library) -> None:
        await library.add(OSMOSIS)
        library.knowledge.own = False
        await library.ask(SILENT)
        assert library.knowledge.asked == []

    async def test_c_not_without_a_document_in_this_session(self, library: Library) -> None:
        await library.add(OSMOSIS, session=2)
        assert not (await library.ask(SILENT)).quoted

    async def test_true_forces(self, library: Library) -> None:
        await library.add(OSMOSIS, session=None)
        assert (await library.ask(SILENT, use=True)).quoted

    @pytest.mark.parametrize("text", [ASKS, REFERS, SILENT])
    async def test_false_forbids(self, library: Library, text: str) -> None:
        await library.add(OSMOSIS)
        answered = await library.ask(text, use=False)
        assert answered.prompt == text
        assert library.knowledge.asked == []

    async def test_keywords_are_a_setting(self, library: Library) -> None:
        await library.add(OSMOSIS, session=2)
        assert not (await library.ask(ASKS, keywords=("skript",))).quoted
        assert (await library.ask("Skript: osmosis moves what?", keywords=("skript",))).quoted


class TestReach:
    async def test_is_ones_own_and_public(self, library: Library) -> None:
        await library.add("Osmosis of Ben moves sand.", owner=2, session=None)
        await library.add("Osmosis of all moves water.", owner=2, session=None, public=True)
        answered = await library.ask(ASKS)
        assert "of all" in answered.prompt
        assert "of Ben" not in answered.prompt


class TestNothingFound:
    @pytest.mark.parametrize("use", [None, True])
    async def test_is_silent(self, library: Library, use: bool | None) -> None:
        answered = await library.ask(ASKS, use)
        assert (answered.text, answered.prompt, answered.cited) == ("Osmosis moves water.", ASKS, [])

    async def test_is_admitted_when_strict_and_documents_are_within_reach(self, strict: Library) -> None:
        await strict.add(OSMOSIS)
        answered = await strict.ask(OFF_TOPIC)
        assert (answered.text, answered.prompt, answered.cited) == (NOT_ANSWERED, "", [])

    async def test_is_silent_when_strict_and_nothing_is_within_reach(self, strict: Library) -> None:
        await strict.add(OSMOSIS, owner=2, session=None)
        answered = await strict.ask(OFF_TOPIC)
        assert answered.prompt == OFF_TOPIC

    async def test_is_admitted_when_strict_and_forced(self, strict: Library) -> None:
        assert (await strict.ask(SILENT, use=True)).text == NOT_ANSWERED

    async def test_is_silent_when_strict_and_only_the_gate_looked(self, strict: Library) -> None:
        await strict.add(OSMOSIS)
        answered = await strict.ask("Who moves house today?")
        assert answered.prompt == "Who moves house today?"


REFUSALS = [KnowledgeUnreachable(), KnowledgeTimeout(), KnowledgeFailed("RAG service error: bad response")]


class TestLateOrFailing:
    @pytest.mark.parametrize("refusal", REFUSALS)
    async def test_means_without_documents(self, library: Library, refusal: DomainError) -> None:
        await library.add(OSMOSIS)
        library.knowledge.refuse_with = refusal
        answered = await library.ask(ASKS)
        assert (answered.prompt, answered.cited) == (ASKS, [])

    async def test_beyond_the_budget_means_without_documents(self, library: Library) -> None:
        await library.add(OSMOSIS)
        library.knowledge.delay = 30
        assert (await library.ask(ASKS)).prompt == ASKS

    async def test_of_the_database_means_without_documents(self, library: Library) -> None:
        library.database.down = True
        assert (await library.ask(ASKS)).prompt == ASKS

    @pytest.mark.parametrize(("text", "use"), [(ASKS, None), (REFERS, None), (SILENT, True)])
    async def test_is_admitted_when_strict(self, strict: Library, text: str, use: bool | None) -> None:
        await strict.add(OSMOSIS)
        strict.knowledge.delay = 30
        answered = await strict.ask(text, use)
        assert (answered.text, answered.prompt, answered.cited) == (NOT_SEARCHED, "", [])

    async def test_is_silent_when_strict_and_only_the_gate_looked(self, strict: Library) -> None:
        await strict.add(OSMOSIS)
        strict.knowledge.refuse_with = KnowledgeUnreachable()
        assert (await strict.ask(SILENT)).prompt == SILENT


class TestJudging:
    """Comparing the lines of what was found costs a while: it is done where somebody judges by them."""

    async def test_is_left_to_a_model_that_may_speak_freely(self, library: Library) -> None:
        await library.add(OSMOSIS)
        assert (await library.ask(ASKS)).quoted
        assert library.embedder.texts == 0

    @pytest.mark.parametrize("own", [True, False])
    async def test_before_a_guarded_answer(self, own: bool) -> None:
        strict = await Library(strict=True, own=own).opened()
        await strict.add(OSMOSIS, index_name="notes.txt")
        assert (await strict.ask(ASKS)).quoted
        assert strict.embedder.texts > 0

    async def test_for_the_gate(self, library: Library) -> None:
        await library.add(OSMOSIS)
        assert (await library.ask(SILENT)).quoted
        assert library.embedder.texts > 0

    async def test_where_documents_are_quoted(self, library: Library) -> None:
        await library.add(OSMOSIS)
        await library.ask(ASKS, upstreams=upstreams_of())
        assert library.embedder.texts > 0

    async def test_words_must_do_beyond_the_budget(self, library: Library) -> None:
        await library.add(OSMOSIS)
        library.embedder.delay = 30
        assert (await library.ask(SILENT)).quoted

    async def test_words_must_do_without_the_model_that_compares(self, strict: Library) -> None:
        await strict.add(OSMOSIS)
        strict.embedder.refuse_with = KnowledgeUnreachable()
        assert (await strict.ask(ASKS)).quoted


class TestHits:
    async def test_all_five_are_used(self, library: Library) -> None:
        await library.add(*(f"Osmosis number {n} moves water." for n in range(8)))
        answered = await library.ask(ASKS)
        assert [source.n for source in answered.cited] == [1, 2, 3, 4, 5]
        assert all(f"[{n}] notes.txt, page" in answered.prompt for n in range(1, 6))

    async def test_snippets_are_one_short_line(self, library: Library) -> None:
        await library.add("Osmosis\n\tmoves water.  " + "It really does. " * 30)
        (source,) = (await library.ask(ASKS)).cited
        assert source.snippet.startswith("Osmosis moves water. It really does.")
        assert len(source.snippet) <= 200

    async def test_of_a_rag_service_get_their_original_names(self, library: Library) -> None:
        library.knowledge.own = False
        await library.add(OSMOSIS, name='my "notes".md', index_name="my _notes_.md.txt")
        (source,) = (await library.ask(ASKS)).cited
        assert source.filename == 'my "notes".md'

    async def test_of_a_rag_service_that_are_public_and_unknown_to_us_keep_theirs(
        self, library: Library
    ) -> None:
        library.knowledge.own = False
        await library.add(OSMOSIS, name="theirs.pdf", public=True)
        (source,) = (await library.ask(ASKS)).cited
        assert source.filename == "theirs.pdf"

    @pytest.mark.parametrize("public", [False, None])
    async def test_of_a_rag_service_that_are_no_files_of_the_askers_are_dropped(
        self, library: Library, public: bool | None
    ) -> None:
        """Whoever else has one of that name."""
        library.knowledge = Mistaken(public)
        await library.add(OSMOSIS, name="ours.pdf", index_name="ours.pdf", owner=2)
        await library.add(OSMOSIS, name="nobodys.pdf", owner=2)
        answered = await library.ask(ASKS)
        assert answered.cited == []
        assert not answered.quoted
        await library.add(OSMOSIS, name="mine.pdf", index_name="mine.pdf")
        await library.add(OSMOSIS, name="all.pdf", index_name="all.pdf", owner=2, public=public is None)
        shown = {source.filename for source in (await library.ask(ASKS)).cited}
        assert shown == ({"mine.pdf", "all.pdf"} if public is None else {"mine.pdf"})

    async def test_of_deleted_files_are_dropped(self, library: Library) -> None:
        library.knowledge.own = False
        gone = await library.add(OSMOSIS, name="gone.pdf", index_name="gone.pdf")
        await library.add("Osmosis moves water, says another.", name="kept.pdf", index_name="kept.pdf")
        async with library.work() as w:
            file = await w.files.get(gone)
            assert file is not None
            file.deleted_at = file.created_at
            await w.commit()
        answered = await library.ask(ASKS)
        assert [source.filename for source in answered.cited] == ["kept.pdf"]
        assert OSMOSIS not in answered.prompt


class TestCitations:
    """An answer may carry marks; each is held against the passages that were sent."""

    async def test_marks_that_point_nowhere_go(self) -> None:
        model = FakeLanguageModel("Osmosis [1] moves", " water [", "3] and `a ", "[7]` [0][2].")
        library = await Library(model=model).opened()
        await library.add(OSMOSIS, "Osmosis is slow.")
        answered = await library.ask(ASKS)
        assert answered.text == "Osmosis [1] moves water and `a [7]`[2]."
        assert answered.rests_on == {1, 2}

    async def test_the_model_is_asked_for_them(self, library: Library) -> None:
        await library.add(OSMOSIS)
        assert "cite the passage by its number in brackets" in (await library.ask(ASKS)).prompt

    async def test_not_the_small_one_whose_answers_are_guarded(self, strict: Library) -> None:
        await strict.add(OSMOSIS)
        assert "cite" not in context_of((await strict.ask(ASKS)).prompt).closing

    async def test_without_documents_nothing_is_looked_at(self) -> None:
        library = await Library(model=FakeLanguageModel("Osmosis [1] moves water [9].")).opened()
        answered = await library.ask(SILENT)
        assert (answered.text, answered.rests_on) == ("Osmosis [1] moves water [9].", set())

    async def test_without_documents_nothing_stands_between_model_and_reader(self, library: Library) -> None:
        upstreams = upstreams_of(library.model)
        answer = Answer(
            upstreams=upstreams,
            knowledge=library.knowledge,
            reading=FakeReading(library.database),
            strict=False,
            budget_s=1,
            context=Budget(turns=1000),
            embedder=FakeEmbedder(),
        )
        telling = Telling(lambda sources: None, time.monotonic)
        async with aclosing(await answer(a_question(SILENT), telling)) as pieces:
            assert getattr(pieces, "ag_code", None) is Upstreams.stream.__code__

    async def test_all_passages_are_sent_that_are_shown_as_sources(self, library: Library) -> None:
        await library.add(*(f"Osmosis number {n} moves water. " + "And so on. " * 300 for n in range(5)))
        answered = await library.ask(ASKS)
        context = context_of(answered.prompt)
        assert [passage.n for passage in context.passages] == [source.n for source in answered.cited]
        assert all(passage.text.startswith("Osmosis number") for passage in context.passages)
        assert len(answered.prompt) < 6000 + len(ASKS) + 3


class TestStrict:
    async def test_lets_the_model_say_what_the_documents_say(self) -> None:
        strict = await Library(strict=True, model=FakeLanguageModel(OSMOSIS)).opened()
        await strict.add(OSMOSIS)
        answered = await strict.ask(ASKS)
        assert answered.text.startswith(OSMOSIS)
        assert (len(answered.cited), answered.rests_on) == (1, {1})
        assert isinstance(strict.model, FakeLanguageModel)
        (prompt,) = strict.model.prompts
        assert (prompt.temperature, prompt.memory, prompt.user) == (0.0, 9, 1)
        assert prompt.max_tokens is not None

    async def test_never_lets_it_say_anything_else(self) -> None:
        liar = FakeLanguageModel("Osmosis moves 42 elephants ", "to Paris.")
        library = await Library(strict=True, model=liar).opened()
        await library.add(OSMOSIS)
        answered = await library.ask(ASKS)
        assert "elephants" not in answered.text
        assert OSMOSIS in answered.text
        assert liar.speaking == 0

    async def test_leaves_free_answers_alone(self, strict: Library) -> None:
        answered = await strict.ask(SILENT)
        assert answered.text == "Osmosis moves water."
        assert isinstance(strict.model, FakeLanguageModel)
        assert (strict.model.prompts[0].max_tokens, strict.model.prompts[0].temperature) == (77, None)


class TestWithoutAModel:
    async def test_documents_are_quoted(self) -> None:
        library = await Library().opened()
        await library.add(OSMOSIS)
        answered = await library.ask(ASKS, upstreams=upstreams_of())
        assert answered.text == f"“{OSMOSIS}” (notes.txt, page 1)"
        assert (len(answered.cited), answered.rests_on) == (1, {1})

    async def test_what_they_do_not_answer_is_admitted(self) -> None:
        library = await Library().opened()
        await library.add(OSMOSIS)
        discovered = "According to the document, who discovered osmosis in 1748?"
        assert (await library.ask(discovered, upstreams=upstreams_of())).text == NOT_ANSWERED
        library.strict = True
        assert (await library.ask(OFF_TOPIC, upstreams=upstreams_of())).text == NOT_ANSWERED

    async def test_nothing_else_can_be_answered(self) -> None:
        library = await Library().opened()
        with pytest.raises(ModelUnreachable):
            await library.ask(SILENT, upstreams=upstreams_of())
        with pytest.raises(ModelUnreachable):
            await AbsentModel().check()


class TestModel:
    async def test_refusals_pass_through(self, library: Library) -> None:
        assert isinstance(library.model, FakeLanguageModel)
        library.model.fails_with, library.model.fails_after = ModelUnreachable(), 0
        with pytest.raises(ModelUnreachable):
            await library.ask(SILENT)

    @pytest.mark.parametrize("strict", [True, False])
    async def test_is_closed_when_the_reader_of_pieces_leaves(self, strict: bool) -> None:
        model = FakeLanguageModel("Osmosis moves water. ", "And ", "more.")
        library = await Library(strict=strict, model=model).opened()
        await library.add(OSMOSIS)
        answer = Answer(
            upstreams=upstreams_of(model),
            knowledge=library.knowledge,
            reading=FakeReading(library.database),
            strict=strict,
            budget_s=1,
            context=Budget(turns=1000),
            embedder=FakeEmbedder(),
        )
        telling = Telling(lambda sources: None, time.monotonic)
        async with aclosing(await answer(a_question(ASKS), telling)) as pieces:
            await anext(pieces)
        assert model.speaking == 0


class TestContext:
    """What is told again of a conversation, to whom."""

    async def test_a_model_that_does_not_remember_hears_the_turns(self, library: Library) -> None:
        await library.said("Who?", "Newton.")
        await library.ask(SILENT)
        assert [turn.text for turn in prompt_of(library.model).turns] == ["Who?", "Newton."]

    async def test_one_that_remembers_hears_nothing_again(self, library: Library) -> None:
        await library.said("Who?", "Newton.")
        assert isinstance(library.model, FakeLanguageModel)
        library.model.remembers = True
        answered = await library.ask(SILENT)
        assert (prompt_of(library.model).input, prompt_of(library.model).retold) == (SILENT, None)
        assert answered.telling.chores == set()

    async def test_unless_nothing_was_heard_under_its_key(self, library: Library) -> None:
        await library.said("Who?", "Newton.")
        assert isinstance(library.model, FakeLanguageModel)
        library.model.remembers = True
        await library.ask(SILENT, memory_is_fresh=True)
        retold = prompt_of(library.model).retold or ""
        assert retold.index("Newton.") < retold.index(SILENT)

    async def test_turns_come_before_question_and_documents(self, library: Library) -> None:
        await library.said("Who?", "Newton.")
        await library.add(OSMOSIS)
        await library.ask(ASKS, memory_is_fresh=True)
        retold = prompt_of(library.model).retold or ""
        assert retold.index("Newton.") < retold.index(ASKS) < retold.index(OSMOSIS)

    async def test_a_guarded_answer_is_not_led_away_by_them(self, strict: Library) -> None:
        await strict.said("Who?", "Newton.")
        await strict.add(OSMOSIS)
        await strict.ask(ASKS)
        prompt = prompt_of(strict.model)
        assert (prompt.turns, "Newton." in prompt.input + prompt.system) == ((), False)

    async def test_the_summary_is_part_of_the_system_prompt(self, library: Library) -> None:
        await library.said("Who?", "Newton.", "When?", "1687.")
        library.database.tables.sessions[SessionId(1)].summary = "They spoke of Newton."
        library.database.tables.sessions[SessionId(1)].summary_upto = MessageId(2)
        await library.ask(SILENT)
        prompt = prompt_of(library.model)
        assert "They spoke of Newton." in prompt.system
        assert [turn.text for turn in prompt.turns] == ["When?", "1687."]

    async def test_is_short_enough_for_the_smallest_model(self, library: Library) -> None:
        await library.said(*["word " * 200] * 20)
        budget = Budget(turns=100_000, window=2000, answer=300)
        await library.ask(SILENT, context=budget)
        prompt = prompt_of(library.model)
        texts = (prompt.system, prompt.input, *(turn.text for turn in prompt.turns))
        assert 1000 < sum(tokens(text) + 4 for text in texts) <= 1700

    async def test_the_database_failing_means_without_it(self, library: Library) -> None:
        library.database.down = True
        assert (await library.ask(SILENT)).text == "Osmosis moves water."

    async def test_what_would_never_be_told_is_not_left_out(self, library: Library) -> None:
        library.database.down = True
        with pytest.raises(StorageUnavailable):
            await library.ask(SILENT, memory_is_fresh=True)

    async def test_words_of_our_own_are_not_in_the_memory_of_who_remembers(self, strict: Library) -> None:
        assert isinstance(strict.model, FakeLanguageModel)
        strict.model.remembers = True
        await strict.add(OSMOSIS)
        answered = await strict.ask(OFF_TOPIC)
        assert (answered.text, answered.telling.answered_by_fallback) == (NOT_ANSWERED, True)


class TestChores:
    async def test_a_first_exchange_wants_a_title(self, library: Library) -> None:
        assert (await library.ask(SILENT)).telling.chores == set()
        assert (await library.ask(SILENT, auto_title=True)).telling.chores == {JobKind.TITLE_SESSION}

    async def test_a_later_one_does_not(self, library: Library) -> None:
        await library.said("Who?", "Newton.")
        assert (await library.ask(SILENT, auto_title=True)).telling.chores == set()

    async def test_a_long_conversation_wants_a_summary(self, library: Library) -> None:
        await library.said(*["word " * 200] * 10)
        assert (await library.ask(SILENT)).telling.chores == {JobKind.SUMMARISE_SESSION}

    async def test_nobody_but_a_model_that_remembers_writes_neither(self, library: Library) -> None:
        await library.said(*["word " * 200] * 10)
        assert isinstance(library.model, FakeLanguageModel)
        library.model.remembers = True
        asked = await library.ask(SILENT, auto_title=True, memory_is_fresh=True)
        assert asked.telling.chores == set()
