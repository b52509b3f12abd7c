import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.speech.segments import ENOUGH, FULL, WORD, weight
from application.speech.speech import Speech
from tests.unit.speech.pieces import ANSWERS, cut, said, segments, spoken, texts


@pytest.mark.parametrize(
    ("answer", "cuts"),
    [
        ("Yes! Water boils. Does it?", ["Yes!", "Water boils.", "Does it?"]),
        (
            "When the sun is shining brightly, the plants begin to grow.",
            ["When the sun is shining brightly,", "the plants begin to grow."],
        ),
        ("Well, yes, it is so.", ["Well, yes, it is so."]),
        (
            "one two three four five six seven eight nine ten",
            ["one two three four five six seven eight", "nine ten."],
        ),
        (
            "The plants turn the light of the sun into sugar",
            ["The plants turn the light of the sun", "into sugar."],
        ),
        (
            "Pi is always about 3.14 and not 3,141.5 at all.",
            ["Pi is always about 3.14 and not 3,141.5", "at all."],
        ),
        (
            "Dr. Smith, e.g. in the U.S. of 1999, was here.",
            ["Doctor Smith, for example in the U S", "of 1999, was here."],
        ),
        (
            "See https://a.example.com/x.y?z=1, please. Yes.",
            ["See a dot example dot com,", "please.", "Yes."],
        ),
        (
            "If $a_1, a_2, a_3, a_4, a_5 \\geq 8$, then stop.",
            ["If A sub 1, A sub 2, A sub 3, A sub 4, A sub 5 greater than or equal to 8,", "then stop."],
        ),
        (
            "光合作用是植物利用阳光的过程，发生在叶绿体中。",
            ["光合作用是植物利用阳光的", "过程，发生在叶绿体中。"],
        ),
        ("今天天气很好，我们去公园。好吗？", ["今天天气很好，我们去公园。", "好吗？"]),
        ("# Title\n\nText", ["Title.", "Text."]),
        ("- one\n- two", ["one.", "two."]),
        ("1. Mix it\n2. Bake it", ["1. Mix it.", "2. Bake it."]),
        ("... !!! ??? 😊", []),
        ("", []),
        (" \n\n ", []),
        ("```\ncode\n```", ["Here is some code."]),
    ],
)
def test_segments(answer: str, cuts: list[str]) -> None:
    assert texts(answer) == cuts


@given(ANSWERS, st.lists(st.integers(0, 1000), max_size=12))
def test_they_are_the_same_however_the_answer_comes(answer: str, places: list[int]) -> None:
    assert segments(*cut(answer, places)) == segments(answer) == segments(*answer)


@given(ANSWERS)
def test_joined_they_lose_no_word(answer: str) -> None:
    everything = "".join(c for c in said(answer) if c.isalnum())

    assert "".join(c for c in "".join(texts(answer)) if c.isalnum()) == everything


@given(ANSWERS)
def test_each_can_be_heard(answer: str) -> None:
    assert all(any(c.isalnum() for c in text) and text == text.strip() for text in texts(answer))


@given(ANSWERS)
def test_only_what_is_never_cut_makes_one_too_long(answer: str) -> None:
    heaviest = max([0, *(weight(one.text) for one in spoken(answer))])

    assert all(weight(text) <= max(FULL + WORD, ENOUGH + heaviest) for text in texts(answer))


@given(ANSWERS)
def test_how_much_is_told_never_decreases_nor_exceeds_the_answer(answer: str) -> None:
    ends = [0, *(segment.end for segment in segments(answer)), len(answer)]

    assert ends == sorted(ends)


@pytest.mark.parametrize("behind", ["", "\n", " 😊", " [1]", "**", " <!-- -->"])
@given(answer=st.text(alphabet="ab ,.\n*#-é中，。1", max_size=60))
def test_behind_the_last_word_the_whole_answer_is_told(behind: str, answer: str) -> None:
    whole = f"{answer}\n\nLast words{behind}"

    assert segments(whole)[-1].end == len(whole)


# Each with its reading, which stays whole.
UNITED = {
    "3.14159": "3.14159",
    "1,000,000.5": "1,000,000.5",
    "$n \\geq 8, m < 3$": "n greater than or equal to 8, m less than 3",
    "\\(a. b; c\\)": "A. b; c",
    "https://example.com/a.b,c;d?e=f!g": "example dot com",
    "5 km/h": "5 kilometers per hour",
    "$3.50": "3 dollars and 50 cents",
    "2024-05-12": "May twelfth, 2024",
    "`a.b, c`": "a dot b, c",
    "World War II": "World War 2",
    "192.168.0.1": "192 dot 168 dot 0 dot 1",
}


@given(
    st.lists(
        st.sampled_from([*UNITED, "word", "and", "then,", "so.", "more;", '<b class="x. y">']), max_size=40
    )
)
def test_none_ends_within_a_number_an_address_a_formula_or_a_tag(words: list[str]) -> None:
    answer = " ".join(words)
    found = segments(answer)
    places = [0]
    for word in words:
        places.append(places[-1] + len(word) + 1)

    for (begin, end), word in zip(pairwise(places), words, strict=True):
        assert not [one for one in found if begin < one.end < end - 1 and word in UNITED]
        assert word not in UNITED or any(UNITED[word].split()[-1] in one.text for one in found)


def test_the_first_comes_as_soon_as_it_is_certain() -> None:
    speech = Speech()

    assert speech.feed("When the sun is shining brightly") == []
    assert [one.text for one in speech.feed(", t")] == ["When the sun is shining brightly,"]
    assert speech.feed("he end") == []
    assert speech.feed(".") == []  # perhaps 3.14
    assert [one.text for one in speech.feed(" N")] == ["the end."]
    assert [one.text for one in speech.end()] == ["N."]


def test_each_tells_how_far_the_answer_is_told() -> None:
    answer = "**Light** is fast [1]. It takes 8 min.\n\nEnd 😊\n"

    assert [answer[: one.end] for one in segments(answer)] == [
        "**Light** is fast [1].",
        "**Light** is fast [1]. It takes 8 min.",
        answer,
    ]


HOSTILE = [
    "*",
    "$",
    "[",
    "`",
    "<",
    "&",
    "\\",
    "$a ",
    "a.",
    "1 ",
    "|",
    "\n",
    "#",
    "- ",
    "> ",
    "[a](",
    "http://",
    "\\(",
    "$$",
]
HOSTILE += [
    "e.g. ",
    "_",
    "中",
    "。",
    "(",
    "f(x ",
    "\\frac",
    "\\begin{",
    "```\n",
    "{",
    "😊",
    '"',
    "...",
    "5 km ",
    "\\text{",
    "1-",
]


@pytest.mark.parametrize("junk", HOSTILE)
def test_hostile_text_costs_no_more_than_its_length(junk: str) -> None:
    def seconds(length: int) -> float:
        answer = junk * (length // len(junk))
        pieces = [answer[at : at + 7] for at in range(0, length, 7)]
        begun = time.process_time()
        segments(*pieces)
        return time.process_time() - begun

    short = min(seconds(2000) for _ in range(2))
    assert seconds(16000) < 8 * 3 * short + 0.1
