from collections.abc import Iterator
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from adapters.extraction.reading import Sheet
from adapters.extraction.running_lines import LEAST, LONGEST, TOGETHER, without_running_lines

BODIES = [f"Text of page {word}." for word in ("one", "two", "three", "four", "five", "six")]
LINES = st.sampled_from(
    ["Notes", "Notes, page 1", "1", "2", "3", "17", "", " ", "Other text.", "Notes 2 - 3"]
)
TEXTS = st.lists(st.lists(LINES, max_size=6).map("\n".join) | st.text(max_size=40), max_size=50)


def kept(*texts: str) -> list[str]:
    sheets = (Sheet(n, len(texts), text) for n, text in enumerate(texts, 1))
    return [sheet.text for sheet in without_running_lines(sheets)]


def test_head_and_foot_are_kept_once() -> None:
    pages = [f"Oceans\n{body}\nProf. Sand - {n} of 6" for n, body in enumerate(BODIES, 1)]

    assert kept(*pages) == [pages[0], *BODIES[1:]]


def test_numbers_of_chapters_and_of_pages_do_not_meet() -> None:
    pages = [f"{n + 16} Chapter 2\n{body}" for n, body in enumerate(BODIES, 1)]

    assert kept(*pages) == [pages[0], *BODIES[1:]]


def test_left_and_right_pages_may_differ() -> None:
    heads = ["Oceans", "Chapter 1"]
    pages = [f"{heads[n % 2]}\n{body}" for n, body in enumerate(BODIES)]

    assert kept(*pages) == [*pages[:2], *BODIES[2:]]


def test_rows_of_figures_are_no_page_numbers() -> None:
    pages = [f"{body}\n{figure}" for body, figure in zip(BODIES, (3, 14, 15, 92, 65, 35), strict=True)]

    assert kept(*pages) == pages


def test_the_same_line_within_the_text_stays() -> None:
    pages = [f"First.\nSecond of {n * n}.\nSee below.\nFourth of {n * n}.\nLast." for n in range(10, 15)]

    assert kept(*pages)[1] == "Second of 121.\nSee below.\nFourth of 121."


def test_a_page_keeps_the_only_thing_that_it_says() -> None:
    assert kept(*["Oceans"] * 5) == ["Oceans"] * 5
    assert kept(*["Oceans\nText."] * 5) == ["Oceans\nText."] * 5


def test_in_a_short_document_nothing_runs() -> None:
    pages = [f"Oceans\n{body}" for body in BODIES[: LEAST - 1]]

    assert kept(*pages) == pages


def test_neither_sentences_nor_serial_numbers_are_taken_for_a_head() -> None:
    sentence = "The same long sentence may begin each page of a reader, and people look for it. " * 3
    assert len(sentence) > LONGEST
    pages = [f"{sentence}\n{body}\nNo. {10_000_000 + n}" for n, body in enumerate(BODIES)]

    assert kept(*pages) == pages


def test_a_long_document_is_not_waited_for() -> None:
    read: list[int] = []

    def endless() -> Iterator[Sheet]:
        for n in count(1):
            read.append(n)
            yield Sheet(n, 1000, f"Oceans\nText {n * n}.")

    found = without_running_lines(endless())

    assert [next(found).text, next(found).text] == ["Oceans\nText 1.", "Text 4."]
    assert len(read) == TOGETHER


@given(TEXTS)
def test_what_is_left_is_a_stretch_of_the_page_and_its_lines_stood_before(texts: list[str]) -> None:
    for before, after in zip(texts, kept(*texts), strict=True):
        assert after in before
        assert bool(after.strip()) == bool(before.strip())


@given(TEXTS)
def test_every_other_line_stays(texts: list[str]) -> None:
    kept_texts = kept(*texts)
    for text in texts:
        for line in text.split("\n"):
            if not any(c.isdigit() for c in line):
                assert any(line.strip() in other for other in kept_texts)
