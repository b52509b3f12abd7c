import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.retrieval.question import Wanted, bare, understood


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("According to the document, when is the test?", "when is the test?"),
        ("When is the test, based on my uploaded notes?", "When is the test, ?"),
        ("What does the document say about salt?", "salt?"),
        ("In the course handbook, who is it?", "who is it?"),
        ("How deep is it in ocean-science.pdf?", "How deep is it ?"),
        ("根据这个文档，海洋有多深？", "海洋有多深？"),
        ("in the document", "in the document"),  # nothing would be left
        ("What is in the notes of Darwin?", "What is in the notes of Darwin?"),
    ],
)
def test_where_to_look_is_not_what_is_asked(question: str, rest: str) -> None:
    assert bare(question) == rest


@given(st.text())
def test_any_question_is_understood(question: str) -> None:
    asked = understood(question)

    assert bool(asked.content) == any(asked.content)
    assert asked.wanted in Wanted


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Who found it?", Wanted.PERSON),
        ("谁发现的？", Wanted.PERSON),
        ("How many people?", Wanted.NUMBER),
        ("有多少人？", Wanted.NUMBER),
        ("When was it?", Wanted.TIME),
        ("In which year was it?", Wanted.TIME),
        ("Explain what happens when water is heated", Wanted.ANYTHING),
        ("Why is the sea salty?", Wanted.ANYTHING),
    ],
)
def test_what_is_wanted(question: str, wanted: Wanted) -> None:
    assert understood(question).wanted is wanted


def test_names_acronyms_and_words_with_digits() -> None:
    assert understood("When did Marie Tharp join NASA?").names == ("marie", "tharp", "nasa")
    assert understood("How many bits has IPv6?").names == ("ipv6",)
    assert understood("What is salt?").names == ()
    assert understood("Was Ist Die Tiefe Des Ozeans Bei Ebbe").names == ()  # capitals everywhere say nothing


@pytest.mark.parametrize(
    "question",
    [
        "Summarise the document",
        "What is this document about?",
        "Give me an overview",
        "What are the main points?",
        "总结一下",
    ],
)
def test_overviews(question: str) -> None:
    assert understood(question).overview


@pytest.mark.parametrize(
    "question", ["What is in the sea?", "How deep is it?", "What is the document number?"]
)
def test_no_overviews(question: str) -> None:
    assert not understood(question).overview
