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
        ("How many pairs did the students recall who had slept?", Wanted.NUMBER),
        ("Who was there when the bell rang?", Wanted.PERSON),
    ],
)
def test_what_is_wanted(question: str, wanted: Wanted) -> None:
    assert understood(question).wanted is wanted


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("How deep is the lake?", "It is 594 metres deep.", "The stream is deep."),
        ("How far is it?", "It is 2 km away.", "It moves 2 cm a year."),
        ("How far does it go in a day?", "It makes 75 kilometres a day.", "It makes 75 stops a day."),
        ("How long is it?", "It takes 3 h.", "It goes with the wind."),
        ("How heavy is it?", "It has 18 kg.", "It has 18 legs."),
        ("How high is the fee?", "It is 3,000 yuan.", "It is 3,000."),
    ],
)
def test_a_measure_is_a_word_of_its_own(question: str, answer: str, other: str) -> None:
    measure = understood(question).measure

    assert measure is not None
    assert measure.search(answer)
    assert not measure.search(other)


@pytest.mark.parametrize(
    "question", ["Who taxed it at the height of the damage?", "How far ahead is it?", "What is it?"]
)
def test_not_every_question_asks_for_a_measure(question: str) -> None:
    assert understood(question).measure is None


@pytest.mark.parametrize("message", ["{0} {1}", "{1} {0}"])
def test_a_question_is_understood_before_and_behind_what_was_pasted(message: str) -> None:
    asked = understood(
        message.format("Who discovered the glass sponges?", "Some other words stand here. " * 400)
    )
    assert {"discovered", "glass", "sponges"} <= set(asked.content)
    assert asked.wanted is Wanted.PERSON


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
