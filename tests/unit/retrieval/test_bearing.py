"""What is said of one thing is not taken for what is said of another: enumerations, tables, neighbours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.retrieval.bearing import bearer
from application.retrieval.evidence import evidence
from application.retrieval.question import understood
from tests.unit.retrieval.hits import hit

GASES = "The most abundant volcanic gas is water vapour, followed by carbon dioxide and sulphur dioxide."
ROOMS = (
    "Group rooms for four to ten people are booked on the website, at most a week ahead and for three hours "
    "a day."
)
PRICES = "| Service | Price |\n| --- | --- |\n| Black and white page | 6 cents |\n| Colour page | 22 cents |"
PLACES = (
    "| Place | Weekdays | Saturday |\n| --- | --- | --- |\n| Law library | 8:00 to 22:00 | 10:00 to 16:00 |\n"
    "| Map room | 9:00 | closed |"
)

MATTER = ("granite", "basalt", "marble", "slate", "chalk", "flint")
NAMES = st.permutations(MATTER).map(lambda order: order[:3])
FIGURES = st.lists(st.integers(2, 999), min_size=3, max_size=3, unique=True)


def is_borne_out(said: str, question: str, text: str) -> bool:
    return bearer(said, understood(question), evidence(question, [hit(question, text, near=0.7)])) is not None


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        (
            "Which is the most abundant volcanic gas?",
            GASES,
            "The most abundant volcanic gas is water vapour.",
        ),
        (
            "Which is the most abundant volcanic gas?",
            GASES,
            "Water vapour is the most abundant volcanic gas, followed by carbon dioxide and sulphur dioxide.",
        ),
        (
            "Can group rooms be booked ahead?",
            ROOMS,
            "Group rooms are booked on the website, at most a week ahead.",
        ),
        ("What is the price of a colour page?", PRICES, "The price of a colour page is 22 cents."),
        (
            "Who discovered REM sleep?",
            "REM sleep was discovered in 1953 by Ada Bell and Max Orr.",
            "REM sleep was discovered by Ada Bell and Max Orr.",
        ),
    ],
)
def test_the_thing_that_was_asked_for(question: str, text: str, said: str) -> None:
    assert is_borne_out(said, question, text)


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        (
            "Which is the most abundant volcanic gas?",
            GASES,
            "The most abundant volcanic gas is carbon dioxide.",
        ),
        (
            "Which is the most abundant volcanic gas?",
            GASES,
            "The most abundant volcanic gas is sulphur dioxide.",
        ),
        (
            "Can group rooms be booked ahead?",
            ROOMS,
            "The group room is booked for four to ten people with a maximum of three hours a day.",
        ),
        ("What is the price of a colour page?", PRICES, "The price of a colour page is 6 cents."),
        (
            "When does the law library close on Saturday?",
            PLACES,
            "The law library closes at 22:00 on Saturday.",
        ),
        ("Is the map room open on Saturday?", PLACES, "The map room is not closed on Saturday."),
        (
            "What does a red page cost?",
            "A page costs 6 cents. A red page costs 22 cents.",
            "A red page costs 6 cents.",
        ),
        (
            "Who discovered REM sleep?",
            "REM sleep was discovered in 1953 by Ada Bell, who taught Max Orr.",
            "REM sleep was discovered by Max Orr.",
        ),
    ],
)
def test_and_no_other(question: str, text: str, said: str) -> None:
    assert not is_borne_out(said, question, text)


@given(
    NAMES, st.sampled_from((", followed by {} and {}", ", then {}; {} is rare", ", {} and {} being second"))
)
def test_of_an_enumeration_only_the_member_that_was_asked_for(names: list[str], rest: str) -> None:
    question = "Which is the commonest stone of the island?"
    first, *others = names
    text = f"The commonest stone of the island is polished {first}{rest.format(*others)}."

    assert is_borne_out(f"The commonest stone of the island is polished {first}.", question, text)
    for other in others:
        assert not is_borne_out(f"The commonest stone of the island is {other}.", question, text)
        assert not is_borne_out(f"The commonest stone of the island is polished {other}.", question, text)


@given(
    NAMES,
    FIGURES,
    st.sampled_from(("{} | {} kilograms", "{} {} kilograms", "The weight of {} is {} kilograms.")),
)
def test_of_rows_and_sentences_only_the_one_that_was_asked_for(
    names: list[str], figures: list[int], row: str
) -> None:
    head = ["Stone | Weight"] if "|" in row else ["Stone Weight"]
    rows = [row.format(name.capitalize(), figure) for name, figure in zip(names, figures, strict=True)]
    text = "\n".join(rows if row.endswith(".") else head + rows)
    for name, figure in zip(names, figures, strict=True):
        question = f"What is the weight of {name}?"
        for said in figures:
            assert is_borne_out(f"The weight of {name} is {said} kilograms.", question, text) == (
                said == figure
            )
