import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.retrieval.forms import Vocabulary, alike

WORDS = st.sampled_from(
    [
        "drift",
        "drifts",
        "drifted",
        "leave",
        "left",
        "metre",
        "meters",
        "colours",
        "color",
        "port",
        "ports",
        "1872",
        "海洋",
        "sea",
    ]
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("drift", "drifts"),
        ("left", "leave"),
        ("metre", "meters"),
        ("explain", "explained"),
        ("mitochondria", "mitochondrial"),
    ],
)
def test_forms_of_one_word(one: str, other: str) -> None:
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("port", "portsmouth"), ("1872", "1873"), ("data", "date"), ("海洋", "海水")]
)
def test_different_words(one: str, other: str) -> None:
    assert not alike(one, other)


@given(st.lists(WORDS), WORDS)
def test_a_vocabulary_holds_what_is_like_one_of_its_words(words: list[str], asked: str) -> None:
    assert Vocabulary(words).holds(asked) == any(alike(asked, word) for word in words)


def test_what_a_vocabulary_holds_of_several_words() -> None:
    vocabulary = Vocabulary(["the", "ship", "drifted"])

    assert vocabulary.held(["drift", "ship", "storm"]) == {"drift", "ship"}
    assert vocabulary.covers(["drift", "storm"]) == 0.5
    assert vocabulary.covers([]) == 0
