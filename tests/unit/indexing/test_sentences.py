from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.indexing.sentences import blocks, is_heading, sentences

TEXT = st.text(alphabet=st.sampled_from("ab AB.!?。？,;:\n\r\t-#1２文档“”\"'()•"), max_size=300)


def split(text: str) -> list[str]:
    return [span.of(text) for span in sentences(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It is 3.14 or 1,000.5 units. Yes.", ["It is 3.14 or 1,000.5 units.", "Yes."]),
        ("See e.g. the notes. Then go on.", ["See e.g. the notes.", "Then go on."]),
        ("Dr. Smith and Prof. Jones agree. Good.", ["Dr. Smith and Prof. Jones agree.", "Good."]),
        ("It is in hall C. The other is in B.", ["It is in hall C.", "The other is in B."]),
        ("John F. Kennedy met J. Smith. Good.", ["John F. Kennedy met J. Smith.", "Good."]),
        ("See fig. 3 on p. 4. Next.", ["See fig. 3 on p. 4.", "Next."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("海洋很深。你知道吗？是的！", ["海洋很深。", "你知道吗？", "是的！"]),
        ("A line that is\nwrapped here. Next one.", ["A line that is\nwrapped here.", "Next one."]),
        ("Staff | 60\nVisitors | 3", ["Staff | 60", "Visitors | 3"]),
        ("Staff 60\nVisitors 3", ["Staff 60", "Visitors 3"]),
        ("类型 气孔 耗水量\nC3 水稻 白天 约500克", ["类型 气孔 耗水量", "C3 水稻 白天 约500克"]),
        ("First paragraph\n\nsecond paragraph", ["First paragraph", "second paragraph"]),
        ("1. First point here\n2. Second point", ["1. First point here", "2. Second point"]),
        ("- one item\n- another item", ["- one item", "- another item"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert split(text) == found


def test_a_heading_stands_alone_though_it_has_no_end_mark() -> None:
    text = (
        "2.1 Waves and tides\n"
        "A wave moves energy, not water: below the surface each particle travels in a circle, and\n"
        "the motion dies out at a depth of half the wavelength. Over a depth of 4,000 metres it runs\n"
        "41 times as fast."
    )

    assert split(text)[0] == "2.1 Waves and tides"
    assert split(text)[-1].endswith("it runs\n41 times as fast.")


@given(TEXT)
def test_sentences_hold_every_character_but_blanks_in_order(text: str) -> None:
    spans = sentences(text)

    assert "".join("".join(span.of(text).split()) for span in spans) == "".join(text.split())
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))


@given(TEXT)
def test_blocks_hold_the_sentences(text: str) -> None:
    edges = {block.start for block in blocks(text)}

    assert edges <= {span.start for span in sentences(text)}


@pytest.mark.parametrize(
    "text",
    [
        "# Title",
        "Course notes - page 7",
        "3.2 The great streams",
        "Dates",
        "2.2 Temperature, density",
        "第三章 海洋",
    ],
)
def test_headings(text: str) -> None:
    assert is_heading(text)


@pytest.mark.parametrize(
    "text",
    [
        "It ends here.",
        "and goes on",
        "Quiz | 20 %",
        "a\nb",
        "20 May 10:00 2.07",
        "“No”",
        "Office hour: Monday",
        "Written test 18 June",
        "x" * 200,
        "",
    ],
)
def test_no_headings(text: str) -> None:
    assert not is_heading(text)
