from dataclasses import dataclass, field

import pytest

from application.ports.knowledge import KnowledgeTimeout
from application.ports.passages import Scale
from application.retrieval.search import Search
from domain.conversation import SessionId
from domain.document import FileId
from domain.user import UserId
from tests.builders import a_passage
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.passages import FakePassages
from tests.fakes.reranking import FakeReranker

ANN, BEN = UserId(1), UserId(2)
HERE = SessionId(5)
SUGAR = "Leaves make sugar from light."


@dataclass
class Library:
    names: dict[FileId, str] = field(default_factory=dict)
    embedder: FakeEmbedder = field(default_factory=FakeEmbedder)
    reranker: FakeReranker | None = None

    def __post_init__(self) -> None:
        self.passages = FakePassages(self.names)

    async def add(
        self, name: str, *texts: str, owner: UserId | None = ANN, session: SessionId | None = None
    ) -> FileId:
        file = FileId(len(self.names) + 1)
        self.names[file] = name
        if session is not None:
            self.passages.sessions[file] = session
        vectors = await FakeEmbedder().embed(texts)
        made = [a_passage(file, text, owner, n, n + 1) for n, text in enumerate(texts)]
        await self.passages.replace(file, list(zip(made, vectors, strict=True)), self.embedder.model)
        return file

    async def found(self, question: str, session: SessionId | None = None, limit: int = 5) -> list[str]:
        search = Search(self.passages, self.embedder, self.reranker)
        return [hit.filename for hit in await search(question, ANN, limit, session)]


@pytest.fixture
def library() -> Library:
    return Library()


async def test_a_named_file_is_the_only_one_searched(library: Library) -> None:
    await library.add("best.txt", SUGAR)
    await library.add("other.txt", "A leaf has veins.")

    assert await library.found("How do leaves make sugar?") == ["best.txt", "other.txt"]
    assert await library.found("What does other.txt say about leaves and sugar?") == ["other.txt"]


async def test_a_strangers_file_cannot_be_named(library: Library) -> None:
    await library.add("bens.txt", SUGAR, owner=BEN)
    await library.add("mine.txt", "A leaf has veins.")

    assert await library.found("What does bens.txt say about sugar in a leaf?") == ["mine.txt"]


async def test_of_equals_those_of_the_session_come_first(library: Library) -> None:
    await library.add("elsewhere.txt", SUGAR)
    await library.add("here.txt", SUGAR, session=HERE)

    assert await library.found("How do leaves make sugar?") == ["elsewhere.txt", "here.txt"]
    assert await library.found("How do leaves make sugar?", HERE) == ["here.txt", "elsewhere.txt"]


async def test_what_is_at_hand_does_not_hide_what_fits_better(library: Library) -> None:
    await library.add("fits.txt", SUGAR, "Sugar is made in leaves by light.")
    await library.add("here.txt", *(f"Rivers flow, number {n}." for n in range(30)), session=HERE)

    assert (await library.found("How do leaves make sugar from light?", HERE))[0] == "fits.txt"


async def test_what_the_question_points_at_is_found_though_others_fit_better(library: Library) -> None:
    await library.add("fits.txt", *(f"Sugar of kind {n}." for n in range(40)))
    await library.add("here.txt", "A little sugar, much water and some salt.", session=HERE)

    assert "here.txt" not in await library.found("Is there sugar?")
    assert "here.txt" in await library.found("Is there sugar in it?", HERE)


async def test_a_reranker_has_the_last_word(library: Library) -> None:
    await library.add("a.txt", "sugar sugar sugar")
    await library.add("b.txt", "make sugar in leaves, with a lot of other words around that mean little")
    assert await library.found("make sugar leaves", limit=1) == ["b.txt"]
    library.reranker = FakeReranker()

    await library.add("c.txt", "sugar")

    assert (await library.found("make sugar leaves"))[0] == "b.txt"
    assert library.reranker.asked == ["make sugar leaves"]


async def test_a_reranker_that_is_away_changes_nothing(library: Library) -> None:
    await library.add("a.txt", SUGAR)
    await library.add("b.txt", "A leaf has veins.")
    before = await library.found("How do leaves make sugar?")
    library.reranker = FakeReranker(away=True)

    assert await library.found("How do leaves make sugar?") == before


async def test_without_vectors_words_decide(library: Library) -> None:
    await library.add("a.txt", SUGAR)
    await library.add("b.txt", "Rivers flow.")
    library.embedder.refuse_with = KnowledgeTimeout()

    search = Search(library.passages, library.embedder)
    (hit,) = await search("How do leaves make sugar?", ANN, 5)

    assert (hit.filename, hit.score, hit.similarity) == ("a.txt", None, None)


async def test_a_question_in_a_language_that_the_model_does_not_know_is_searched_by_words(
    library: Library,
) -> None:
    await library.add("a.txt", "植物用光合作用制造糖。")
    await library.add("b.txt", "河流很长。")
    library.embedder.latin_only = True
    before = library.embedder.texts

    (hit,) = await Search(library.passages, library.embedder)("光合作用是什么？", ANN, 5)

    assert (hit.filename, hit.score, hit.similarity) == ("a.txt", None, None)
    assert library.embedder.texts == before


async def test_by_words_alone_what_is_at_hand_still_comes_first(library: Library) -> None:
    await library.add("elsewhere.txt", "光合作用制造糖。")
    await library.add("here.txt", "光合作用制造糖。", session=HERE)
    library.embedder.latin_only = True

    assert await library.found("光合作用是什么？", HERE) == ["here.txt", "elsewhere.txt"]


async def test_no_judge_needs_to_know_the_model(library: Library) -> None:
    """Some models call nothing unlike: their cosines are stretched."""
    library.embedder = FakeEmbedder("narrow", Scale(unrelated=0.8, answer=0.9))
    await library.add("a.txt", SUGAR)

    (same,) = await Search(library.passages, library.embedder)(SUGAR, ANN, 5)
    (half,) = await Search(library.passages, library.embedder)("Leaves make other things.", ANN, 5)

    assert same.similarity == pytest.approx(1)
    assert half.similarity is not None
    assert half.similarity < 0
    assert half.score == 0
