import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.talking_head.clauses import FIRST, LATER, LEAST, clauses
from adapters.talking_head.wording import PAUSES, cardinal, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", "hello , world !"),
        ("It's 5 o'clock.", "it's five o'clock ."),
        ("1,234.50", "one thousand two hundred thirty four point five zero"),
        ("the 21st and 30th", "the twenty first and thirtieth"),
        ("0.05 and 007", "zero point zero five and zero zero seven"),
        ("1000000", "one million"),
        ("12345678901234567890", "one two three four five six seven eight nine zero " * 2),
        ("50% of x + y = 3", "fifty percent of x plus y equals three"),
        ("n ≥ 8", "n greater than or equal to eight"),
        ("HTML and TCP, NASA", "aitch tee em ell and tee see pee , nasa"),
        ("H2O", "h two o"),
        ("naïve café", "naive cafe"),
        ("Größe, Ångström", "grosse , angstrom"),
        ("α and β", "alpha and beta"),
        ("Привет", "privet"),
        ("你好，世界。42", ", . forty two"),
        ("🙂", ""),
        ("", ""),
        ("...", ". . ."),
    ],
)
def test_words(text: str, words: str) -> None:
    assert list(words_of(text)) == words.split()


@pytest.mark.parametrize(
    "number", [0, 7, 19, 20, 99, 100, 101, 999, 1000, 10**6, 10**12, 987_654_321_012_345]
)
def test_numbers_are_said_in_words(number: int) -> None:
    assert all(word.isalpha() for word in cardinal(number))


@given(st.text())
def test_words_are_plain(text: str) -> None:
    for word in words_of(text):
        assert word in PAUSES or (word.isascii() and word.islower() and word.strip("'"))


@given(st.text(alphabet=st.sampled_from("ab ,.;!?()\n。，"), max_size=600))
def test_clauses_lose_nothing_and_are_short(text: str) -> None:
    pieces = list(clauses(text))

    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(pieces)
    if pieces:
        assert len(pieces[0]) <= FIRST + LEAST + 1
        assert max(map(len, pieces)) <= LATER + LEAST + 1


def test_the_first_clause_is_short_and_sentences_end_clauses() -> None:
    text = "This is how a rather long sentence begins, which goes on for a while after that. Next one!"

    assert list(clauses(text)) == [
        "This is how a rather long sentence begins,",
        "which goes on for a while after that.",
        "Next one!",
    ]
