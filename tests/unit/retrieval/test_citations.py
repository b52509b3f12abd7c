import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports.language_model import ModelFailed
from application.retrieval.citations import Citations, checked

PASSAGES = 3
HELD = 16  # characters


def read(text: str, passages: int = PASSAGES) -> tuple[str, set[int]]:
    citations = Citations(passages)
    return citations.read(text) + citations.rest(), citations.cited


@pytest.mark.parametrize(
    ("said", "told", "cited"),
    [
        ("Water moves [1].", "Water moves [1].", {1}),
        ("Water moves [4].", "Water moves.", set()),
        ("Water [0] moves.", "Water moves.", set()),
        ("Water moves [1][9][3].", "Water moves [1][3].", {1, 3}),
        ("Water moves [9][8].", "Water moves.", set()),
        ("Water moves. [2]", "Water moves. [2]", {2}),
        ("Water moves. [5]", "Water moves.", set()),
        ("[7] Water moves (see [3], [6]).", " Water moves (see [3],).", {3}),
        ("**Water** moves.[999]\n\n- Salt [1]\n- Sand [44]", "**Water** moves.\n\n- Salt [1]\n- Sand", {1}),
        ("水通过膜移动[1]，盐不动[8]。", "水通过膜移动[1]，盐不动。", {1}),
        ("Water [1, 3] and salt [2;1].", "Water [1, 3] and salt [2;1].", {1, 2, 3}),
    ],
)
def test_a_mark_that_points_nowhere_goes(said: str, told: str, cited: set[int]) -> None:
    assert read(said) == (told, cited)


@pytest.mark.parametrize(
    "said",
    [
        "The fourth is a[3], then b_[9], c1[0] and m[7][8].",
        "Let x be in [0, 1] or [4, 7], and sort [9,8,7].",
        "See [9](https://example.org/9) and ![7](x.png).",
        "`[9]` and ``a ` [9]`` and ` [8] `",
        "```python\nx = [9]\n\ny = [8]\n```",
        "> ```\n> [9]\n> ```",
        "1. ~~~\n   [9] ```\n   ~~~",
        "   ````\n```\n[9]\n````",
        "```\nnever closed [9]\n\n[8]",
        "Then $[9] = [0]$ and $$\n[9]\n$$ and \\([8]\\) and \\[ [7] \\] end.",
        "An escaped \\[9] bracket",
        "[], [ ], [x], [1234], [-4], [+9], [9.5], [ 9], [9 ], [９], [^9], [[], [4",
        "the row [1, 9, 8, 7, 6, 5], too long for a mark",
        "[9 and [8",
        "the matrix [[9], [8]] and [see [7]](x)",
        "[[9]](https://example.org/9)",
    ],
)
def test_anything_else_stays_as_it_is(said: str) -> None:
    told, cited = read(said)
    assert told == said
    assert cited <= {1}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("`code` [9] text", "`code` text"),
        ("```x``` [9]", "```x```"),
        ("```\n[9]\n```\n[9] b", "```\n[9]\n```\n b"),
        ("a ` lone mark [9]\n\nnext [9]", "a ` lone mark [9]\n\nnext"),
        ("costs $5 [9] or 6 $ [9]", "costs $5 or 6 $"),
        ("$x$ [9]", "$x$"),
        ("$$x$$ [9]", "$$x$$"),
        ("\\(x\\) [9] \\[y\\] [9]", "\\(x\\) \\[y\\]"),
        ("\\` not code [9] \\`", "\\` not code \\`"),
        ("~~gone~~ [9]", "~~gone~~"),
        ("\\\\ [9]", "\\\\"),
        ("never closed [\n[9] and ] [8]", "never closed [\n and ]"),
        ("```\n\\```\n```\n [9]", "```\n\\```\n```\n"),
    ],
)
def test_code_and_formulas_come_to_an_end(said: str, told: str) -> None:
    assert read(said)[0] == told


ANSWERS = st.text(alphabet="[]0129, ;a_ 水`~$\\()\n\ud83d") | st.lists(
    st.sampled_from(
        ["[1]", "[9]", " [0]", "a[9]", "[1, 2]", "`", "```", "\n", "$", "\\[", "\\]", " ", "x", "]("]
    )
).map("".join)


@given(ANSWERS, st.data())
def test_how_an_answer_is_cut_into_pieces_makes_no_difference(answer: str, data: st.DataObject) -> None:
    piecewise = Citations(PASSAGES)
    told, at = "", 0
    while at < len(answer):
        size = data.draw(st.integers(1, 9))
        told += piecewise.read(answer[at : at + size])
        at += size

    assert (told + piecewise.rest(), piecewise.cited) == read(answer)


@given(ANSWERS)
def test_nothing_but_marks_goes(answer: str) -> None:
    told, cited = read(answer)

    assert without_marks(told) == without_marks(answer)
    assert cited <= {1, 2, 3}


def without_marks(text: str) -> str:
    text, before = text.replace(" ", ""), ""
    while text != before:  # taking one away may bring two halves together
        text, before = re.sub(r"\[\d{1,3}\]", "", text), text
    return text


@given(ANSWERS)
def test_no_more_is_held_back_than_may_become_a_mark(answer: str) -> None:
    citations = Citations(PASSAGES)
    citations.read(answer)

    assert len(citations.rest()) <= HELD


async def said(*pieces: str, breaks: bool = False) -> AsyncGenerator[str]:
    for piece in pieces:
        yield piece
    if breaks:
        raise ModelFailed


async def heard(pieces: AsyncGenerator[str], tell: Callable[[str], None], cited: set[int]) -> None:
    async with aclosing(checked(pieces, 2, cited.update)) as read:
        async for piece in read:
            tell(piece)


async def test_an_answer_is_checked_piece_by_piece() -> None:
    told: list[str] = []
    cited: set[int] = set()
    await heard(said("Water", " ", "[", "1", "]", " moves", " [9", "]", ". [", "x"), told.append, cited)
    assert (told, cited) == (["Water", " [1] moves", ".", " [x"], {1})


async def test_what_was_cited_before_the_model_broke_off_is_known() -> None:
    told: list[str] = []
    cited: set[int] = set()
    with pytest.raises(ModelFailed):
        await heard(said("Water [1] moves [2", breaks=True), told.append, cited)
    assert (told, cited) == (["Water [1] moves"], {1})


async def test_a_reader_who_leaves_closes_the_model() -> None:
    source = said("Water [1] moves.", "More.")
    cited: set[int] = set()
    async with aclosing(checked(source, 2, cited.update)) as pieces:
        await anext(pieces)
    assert cited == {1}
    assert [piece async for piece in source] == []
