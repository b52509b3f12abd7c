import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.retrieval.lines import Line, lines

WORDS = st.sampled_from(
    [
        "Sea",
        "salt",
        "10",
        "|",
        "water.",
        "海洋",
        "很深。",
        "# ",
        "- ",
        "It",
        "\n",
        "\n\n",
        "| --- |",
        "\t",
        "list:",
    ]
)
TEXTS = st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=200)

MARKDOWN = "| Who | Books |\n| --- | --- |\n| Staff | 60 |\n| Visitors | 3 |\n\nA loan ends."
WORD = "Who | Books\nStaff | 60\nVisitors | 3\n\nA loan ends."
PDF = "Who Books\nStaff 60\nVisitors 3\nA loan is renewed by itself unless somebody else has reserved it."


@pytest.mark.parametrize("text", [MARKDOWN, WORD, PDF])
def test_a_row_is_quoted_with_the_head_of_its_table(text: str) -> None:
    staff, visitors, sentence = lines(text)
    head = "Who | Books" if "|" in text else "Who Books"

    assert staff.quote == f"{head} … {staff.text}"
    assert visitors.quote == f"{head} … {visitors.text}"
    assert (staff.is_row, visitors.is_row, sentence.is_row) == (True, True, False)
    assert sentence.quote == sentence.text


def test_a_table_may_have_no_head() -> None:
    assert [line.text for line in lines("Staff | 60\nVisitors | 3")] == ["Staff | 60", "Visitors | 3"]


def test_a_row_may_be_all_that_is_left_of_a_table() -> None:
    row = "Staff | 60 | 180 days"

    assert lines(f"{row}\n\nA loan ends.")[0] == Line(row, row, is_row=True)


def test_a_heading_between_table_and_text_is_no_row() -> None:
    table = "Colour Meaning\nGreen at rest\nOrange eruption likely, or ash\n"

    assert [
        line.text
        for line in lines(f"{table}What to do\nAsh is dangerous for aircraft because it melts in the engine.")
    ] == [
        "Green at rest",
        "Orange eruption likely, or ash",
        "Ash is dangerous for aircraft because it melts in the engine.",
    ]


def test_title_and_heading_are_no_table() -> None:
    assert [line.is_row for line in lines("Volcanoes: lecture notes\n\n1 Magma\nMagma is molten rock.")] == [
        False,
        False,
    ]


def test_a_list_belongs_to_what_announces_it() -> None:
    announced, warn, cover, other = lines(
        "After a spill:\n\n- Warn the others.\n- Cover the floor.\n\nOther things."
    )

    assert announced == Line("After a spill:", "After a spill: Warn the others. Cover the floor.")
    assert [line.quote for line in (warn, cover, other)] == [
        "Warn the others.",
        "Cover the floor.",
        "Other things.",
    ]
    assert lines("Two things count: \n\nSpeed and care.")[0].quote == "Two things count: Speed and care."
    assert lines("That is all:")[0].quote == "That is all:"


def test_a_line_that_leans_on_the_one_before_is_quoted_with_it() -> None:
    assert (
        lines("The test counts. It takes place in June.")[1].quote
        == "The test counts. It takes place in June."
    )


def test_headings_are_not_quoted() -> None:
    assert [line.text for line in lines("# Seas\n\nSalt is there.\n\nRivers\n\nWater flows.")] == [
        "Salt is there.",
        "Water flows.",
    ]


@given(TEXTS)
def test_any_text_has_lines_whose_quotes_hold_them(text: str) -> None:
    flat = "".join(text.split())
    for line in lines(text):
        assert line.text in line.quote
        assert "\n" not in line.quote
        assert "".join(line.text.split()) in flat
