import unicodedata
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.indexing import chunking
from application.indexing.chunking import MOST, OVERLAP, count_words
from application.ports.extraction import Page, Piece

WORDS = st.sampled_from(
    [
        *(
            "sea",
            "Salt",
            "10,935",
            "water.",
            "deep?",
            "海洋",
            "很深。",
            "#",
            "-",
            "1. ",
            "\n",
            "\n\n",
            "\u2028",
        ),
        *(
            "x" * 90,
            "البحر",
            "עמוק.",
            "มหาสมุทรปกคลุมพื้นผิวโลก",
            "바다는",
            "समुद्र",
            "👩🏽\u200d🔬",
            "e\u0301" * 70,
        ),
    ]
)
TEXTS = st.lists(WORDS, max_size=400).map(" ".join) | st.text(max_size=2000) | st.lists(WORDS).map("".join)
PAGES = st.lists(TEXTS, max_size=4).map(
    lambda texts: [Page(number, text) for number, text in enumerate(texts, 1)]
)


def pieces(pages: Iterable[Page]) -> list[Piece]:
    return list(chunking.pieces(pages))


@given(PAGES)
def test_a_piece_is_exactly_its_span_of_the_page(pages: list[Page]) -> None:
    text_of = {page.number: page.text for page in pages}

    for piece in pieces(pages):
        assert text_of[piece.page][piece.start : piece.end] == piece.text == piece.text.strip() != ""


@given(PAGES)
def test_pieces_cover_every_character_but_blanks(pages: list[Page]) -> None:
    found = pieces(pages)

    for page in pages:
        covered = {at for piece in found if piece.page == page.number for at in range(piece.start, piece.end)}
        assert all(at in covered or page.text[at].isspace() for at in range(len(page.text)))


@given(PAGES)
def test_pieces_are_bounded_in_order_and_overlap_a_little(pages: list[Page]) -> None:
    found = pieces(pages)

    assert all(count_words(piece.text) <= MOST for piece in found)
    for one, other in pairwise(found):
        if one.page == other.page:
            assert one.start < other.start
            assert one.end < other.end
            shared = pages[(one.page or 1) - 1].text[other.start : one.end]
            assert count_words(shared) <= OVERLAP


@given(PAGES)
def test_the_same_pages_give_the_same_pieces(pages: list[Page]) -> None:
    assert pieces(pages) == pieces(list(pages))


def sentence(n: int) -> str:
    return f"Sentence number {n} has about ten words in it today."


def test_pieces_are_cut_between_sentences() -> None:
    text = " ".join(sentence(n) for n in range(60))

    found = pieces([Page(1, text)])

    assert all(piece.text.startswith("Sentence") and piece.text.endswith("today.") for piece in found)
    assert all(80 <= count_words(piece.text) <= MOST for piece in found[:-1])


def test_the_nearest_heading_is_kept_also_on_the_next_page() -> None:
    body = " ".join(sentence(n) for n in range(8))
    pages = [Page(1, f"1 Salt\n\n{body}\n\n2 Currents\n\n{body}"), Page(2, body)]

    assert [piece.heading for piece in pieces(pages)] == ["1 Salt", "2 Currents", "2 Currents"]


def test_a_heading_begins_a_new_piece() -> None:
    body = " ".join(sentence(n) for n in range(5))

    found = pieces([Page(None, f"# One\n\n{body}\n\n# Two\n\n{body}")])

    assert [piece.text.split("\n")[0] for piece in found] == ["# One", "# Two"]
    assert [piece.heading for piece in found] == ["One", "Two"]


def test_scripts_without_blanks_are_cut_too() -> None:
    text = "海洋覆盖地球表面的大部分。" * 100

    found = pieces([Page(None, text)])

    assert all(piece.text.endswith("。") and len(piece.text) <= MOST * 1.2 for piece in found)


def test_long_words_count_as_several() -> None:
    """A model reads so many letters, however few blanks there are between them."""
    long = "Kraftfahrzeughaftpflichtversicherung "
    assert count_words(long) == 3
    found = pieces([Page(None, f"{long * 4}gilt. " * 50)])
    assert all(len(piece.text) < MOST * 14 for piece in found)


def test_a_sentence_without_end_is_cut_into_equal_parts() -> None:
    found = pieces([Page(None, "word " * 1000)])

    assert {count_words(piece.text) for piece in found} == {100}


def test_nothing_gives_nothing() -> None:
    assert pieces([]) == pieces([Page(1, ""), Page(2, " \n ")]) == []


def test_scripts_that_run_on_are_cut_by_syllables() -> None:
    found = pieces([Page(None, "มหาสมุทรปกคลุมพื้นผิวโลก" * 60)])

    assert len(found) > 3
    assert all(count_words(piece.text) <= MOST and len(piece.text) < 500 for piece in found)


@pytest.mark.parametrize(
    "sign", ["e\u0301\u0323", "👩🏽\u200d🔬", "❤\ufe0f", "กำ\u0e49", "\u0928\u0940"], ids=ascii
)
def test_a_letter_is_not_cut_off_from_its_marks(sign: str) -> None:
    found = pieces([Page(None, sign * 5000)])

    assert len(found) > 1
    for piece in found:
        assert unicodedata.category(piece.text[0])[0] != "M"
        assert piece.text[0] not in "\u200d\ufe0f"
        assert not piece.text.endswith("\u200d")


def test_marks_without_end_are_cut_all_the_same() -> None:
    found = pieces([Page(None, "e" + "\u0301" * 50_000)])

    assert all(len(piece.text) <= MOST * 60 for piece in found)
    assert sum(len(piece.text) for piece in found) >= 50_001


@pytest.mark.parametrize(
    "evil",
    [
        *("." * 200_000 + "x", '."' * 100_000 + "x", "? !" * 20_000, ". " * 20_000, "a\n" * 20_000),
        *("#" * 200_000, "page " + "1" * 200_000 + "x", "1. " * 20_000, "1." + " " * 200_000 + "x"),
        *("(" * 200_000, "page 1" + " " * 200_000 + "x", "e.g. " * 20_000, "。" * 200_000 + "x"),
    ],
    ids=lambda evil: evil[:6],
)
def test_no_text_takes_forever(evil: str) -> None:
    """A pattern that looks twice at every row of signs would need hours for these."""
    assert pieces([Page(None, evil)])
