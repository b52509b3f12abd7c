from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.speech.speakable import Speakable
from tests.unit.speech.pieces import ANSWERS, cut, said, spoken

CASES = [
    (one[2:].replace("⏎", "\n"), other.strip().removeprefix("(nothing)"))
    for one, other in pairwise(
        (Path(__file__).parent / "spoken.txt").read_text(encoding="utf-8").splitlines()
    )
    if one.startswith("> ")
]


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 300


@pytest.mark.parametrize(("answer", "speech"), CASES, ids=[answer for answer, _ in CASES])
def test_an_answer_is_said_as_a_person_would(answer: str, speech: str) -> None:
    assert said(answer) == speech


@pytest.mark.parametrize("answer", [answer for answer, _ in CASES], ids=str)
def test_it_is_said_alike_letter_by_letter(answer: str) -> None:
    assert spoken(*answer) == spoken(answer)


@given(ANSWERS, st.lists(st.integers(0, 1000), max_size=12))
def test_it_is_said_alike_however_it_comes(answer: str, places: list[int]) -> None:
    assert spoken(*cut(answer, places)) == spoken(answer) == spoken(*answer)


@given(ANSWERS)
def test_how_much_is_told_never_decreases_nor_exceeds_the_answer(answer: str) -> None:
    ends = [0, *(one.end for one in spoken(answer)), len(answer)]

    assert ends == sorted(ends)


@given(ANSWERS)
def test_speech_holds_no_markup_and_nothing_broken(answer: str) -> None:
    speech = said(answer)

    assert not set(speech) & set("*`\ufffc\x00😊\ud800\n")
    assert "  " not in speech
    speech.encode()


def test_what_is_told_is_what_was_read() -> None:
    answer = "The **cell** has a $n$ [1]. Then more"

    assert [answer[: one.end] for one in spoken(answer)] == [
        "The",
        "The **cell",
        "The **cell** has",
        "The **cell** has a",
        "The **cell** has a $n$ [1].",
        "The **cell** has a $n$ [1]. Then",
        answer,
    ]


@pytest.mark.parametrize(
    ("begun", "known"),
    [
        ("Plants need s", "Plants need "),
        ("It is 5 k", "It is "),  # perhaps kilometers
        ("It is 5 and s", "It is 5 and "),
        ("It costs $5 and ten o", "It costs 5 dollars and ten "),
        ("**Plants** need s", "Plants need "),
        ("Use `print` for a", "Use print for "),
        ("It works, e.g. i", "It works, "),
        ("It ends here. A", "It ends here. "),
        ("- one\n- two", "one. "),
        ("Here $x$ is a", "Here x is "),
        ("See https://example.com/very/long", "See "),
        ("光合作用", "光合作"),
    ],
)
def test_only_what_is_open_is_held_back(begun: str, known: str) -> None:
    assert "".join(one.text for one in Speakable().feed(begun)) == known


@pytest.mark.parametrize(
    "opening",
    [
        "**",
        "*",
        "_",
        "`",
        "``",
        "$",
        "$$",
        "$x + ",
        "\\(",
        "\\[",
        "\\begin{",
        "\\frac{",
        "[",
        "[a](",
        "[1",
        "![",
        "<b ",
        "<!--",
        "&a",
        "【",
        "https://",
        "(",
        "~~",
        "|",
        "> ",
        "e.g. ",
        "5 ",
        "f(x ",
    ],
)
def test_nothing_unclosed_holds_speech_back_for_ever(opening: str) -> None:
    speakable = Speakable()
    early = speakable.feed(f"Well, {opening}{'then words go on ' * 200}")

    assert len("".join(one.text for one in early)) > 1000


def test_a_fence_that_nobody_closes_does_not_silence_the_rest() -> None:
    code = "line = 1\n" * 1400
    speech = said(f"See:\n```python\n{code}The end.\n")

    assert speech.startswith("See: Here is some Python code.")
    assert speech.endswith("The end.")
