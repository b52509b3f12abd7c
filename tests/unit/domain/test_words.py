import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.words import STOPWORDS, index_text, search_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("When is the final project due?", ["final", "project", "due"]),
        ("SYN-ACK, ＴＣＰ and TCP", ["syn", "ack", "tcp"]),
        ("is it?", ["is", "it"]),  # nothing but filler words: better those than nothing
        ("", []),
        ("海洋有多深", ["海洋", "洋有", "有多", "多深"]),
        ("水", ["水"]),
        ("TCP协议", ["tcp", "协议"]),
        ("Grüße", ["grüße"]),
        ("हिन्दी", ["हिन्दी"]),  # the vowel signs are marks, not letters
    ],
)
def test_search_words(text: str, found: list[str]) -> None:
    assert search_words(text) == found


@given(st.text())
def test_search_words_are_distinct_words_of_the_text(text: str) -> None:
    found = search_words(text)

    assert len(set(found)) == len(found)
    assert set(found) <= set(words(text))
    assert set(found) >= set(words(text)) - STOPWORDS


@given(st.text(alphabet="海洋有多深abc 12", min_size=1), st.text(alphabet="海洋有多深abc 12"))
def test_what_is_searched_stands_in_the_index_text(text: str, more: str) -> None:
    indexed = index_text(f"{text} {more}").split()

    assert all(any(word in part for part in indexed) for word in search_words(text))


def test_a_lone_character_finds_the_run_it_stands_in() -> None:
    assert "洋" in index_text("海洋很深").split()
    assert "海洋" in index_text("海洋很深").split()


def test_other_scripts_are_left_to_the_index() -> None:
    assert index_text("The SYN-ACK segment") == "the syn-ack segment"


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_has_the_same_words_in_company(text: str) -> None:
    """What is ASCII alone takes a shorter way."""
    assert words(f"{text} é") == [*words(text), "é"]
