import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.words import STOPWORDS, folded, index_text, is_latin, search_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("When is the final project due?", ["final", "project", "due"]),
        ("SYN-ACK, ＴＣＰ and TCP", ["syn", "ack", "tcp"]),
        ("is it?", ["is", "it"]),  # nothing but filler words: better those than nothing
        ("", []),
        ("海洋有多深", ["海洋", "多深"]),
        ("火星的公转周期是多少天？", ["火星", "公转", "转周", "周期", "天"]),
        ("为什么？", ["为什", "什么"]),
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
    assert set(found) <= set(index_text(text).split())


@given(st.text(st.characters(max_codepoint=0x24FF)))
def test_of_a_text_with_blanks_only_filler_words_are_left_out(text: str) -> None:
    assert set(search_words(text)) >= set(words(text)) - STOPWORDS


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("How deep is the sea?", True),
        ("Wie tief ist das Meer? Zwölf Fuß", True),
        ("3 | 14 / 15", True),
        ("What does 光合作用 mean in English?", True),
        ("HashMap的装载因子超过多少时要扩容？", False),
        ("Как глубоко море?", False),
    ],
)
def test_is_latin(text: str, latin: bool) -> None:
    assert is_latin(text) is latin


@given(st.text(alphabet="海洋有多深abc 12", min_size=1), st.text(alphabet="海洋有多深abc 12"))
def test_what_is_searched_stands_in_the_index_text(text: str, more: str) -> None:
    indexed = index_text(f"{text} {more}").split()

    assert all(any(word in part for part in indexed) for word in search_words(text))


def test_a_lone_character_finds_the_run_it_stands_in() -> None:
    assert "洋" in index_text("海洋很深").split()
    assert "海洋" in index_text("海洋很深").split()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("The SYN-ACK segment", "the syn ack segment"),
        ("TCP/IP v4.2, a@b.org", "tcp ip v4 2 a b org"),
        ("TCP协议第3章", "tcp 协议 议第 协 议 第 3 章"),
        ("在Python中用列表", "在 python 中用 用列 列表 中 用 列 表"),
    ],
)
def test_the_index_is_given_words(text: str, seen: str) -> None:
    assert index_text(text) == seen


@given(st.text())
def test_what_is_searched_is_found_in_any_text(text: str) -> None:
    assert set(search_words(text)) <= set(index_text(text).split())


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_has_the_same_words_in_company(text: str) -> None:
    """What is ASCII alone takes a shorter way."""
    assert words(f"{text} é") == [*words(text), "é"]


@given(st.lists(st.text(alphabet="aeＴΣ\u0301\u0316\u0323가", max_size=40), max_size=60))
def test_a_long_text_is_folded_like_a_short_one(words: list[str]) -> None:
    text = " ".join(words)

    assert folded(text) == unicodedata.normalize("NFKC", text).lower()
