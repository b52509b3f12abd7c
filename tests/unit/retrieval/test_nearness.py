import pytest

from application.ports.passages import Scale
from application.retrieval.nearness import with_nearness
from domain.document import Hit
from tests.fakes.embedder import FakeEmbedder
from tests.unit.retrieval.hits import GRADES, NETWORK, TRENCH

SUGAR = "Leaves make sugar from light."


def found(text: str) -> Hit:
    return Hit(filename="a.txt", page=None, text=text, score=None)


async def test_each_line_knows_how_near_it_is() -> None:
    (hit,) = await with_nearness(FakeEmbedder(), "What does the written test count for?", [found(GRADES)])

    assert len(hit.nearness) == 4
    assert max(hit.nearness) == hit.nearness[0] > 0.4


async def test_only_lines_that_may_answer_are_compared() -> None:
    embedder = FakeEmbedder()

    hits = await with_nearness(
        embedder, "How deep is the Challenger Deep?", list(map(found, (GRADES, TRENCH)))
    )

    assert embedder.texts == 3  # the question, the line with a length in it, and the one that leans on it
    assert [[near > 0 for near in hit.nearness] for hit in hits] == [[False] * 4, [True, True, False]]


async def test_where_nothing_may_answer_nothing_is_computed() -> None:
    embedder = FakeEmbedder()

    (hit,) = await with_nearness(embedder, "How heavy is the written test?", [found(GRADES)])

    assert (embedder.texts, hit.nearness) == (0, (0.0,) * 4)


async def test_the_same_line_is_compared_once() -> None:
    embedder = FakeEmbedder()

    one, other = await with_nearness(
        embedder, "What is UDP?", [found(NETWORK), found(f"{NETWORK} \n\nMore.")]
    )

    assert embedder.texts == 1 + 3
    assert one.nearness == other.nearness[:2]


async def test_a_language_that_the_model_does_not_know_is_not_judged() -> None:
    embedder = FakeEmbedder()
    embedder.latin_only = True

    (hit,) = await with_nearness(embedder, "叶子制造什么？", [found(SUGAR)])
    assert (embedder.texts, hit.nearness) == (0, ())

    (hit,) = await with_nearness(embedder, SUGAR, [found(f"{SUGAR} 植物制造糖。")])
    assert list(hit.nearness) == [pytest.approx(1), 0.0]


async def test_no_judge_needs_to_know_the_model() -> None:
    """Some models call nothing unlike: their cosines are stretched."""
    embedder = FakeEmbedder("narrow", Scale(unrelated=0.8, answer=0.9))

    (hit,) = await with_nearness(embedder, SUGAR, [found(f"{SUGAR} Leaves make other things.")])

    assert hit.nearness[0] == pytest.approx(1)
    assert hit.nearness[1] < 0
