import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidField, RateLimited
from domain.job import retry_delay
from domain.text import nfc, require_storable, storable

anything = st.text(st.characters(categories=None) | st.sampled_from("\x00\ud800\udfff\ufffd"))


@given(anything)
def test_what_was_said_becomes_storable(text: str) -> None:
    made = storable(text)
    assert len(made.encode("utf-16-le")) == len(text.encode("utf-16-le", "surrogatepass"))
    assert require_storable(made) == made
    assert "\x00" not in made
    made.encode()  # and no lone surrogate


def test_halves_that_belong_together_become_one() -> None:
    assert storable("a\ud83d\ude00\ud83d") == "a\U0001f600\ufffd"
    assert storable("\ude00\ud83d") == "\ufffd\ufffd"


@given(anything)
def test_what_was_typed_is_kept_or_refused(text: str) -> None:
    if storable(text) == text:
        assert require_storable(text) == text
    else:
        with pytest.raises(InvalidField):
            require_storable(text)


def test_waiting_grows_up_to_ten_minutes() -> None:
    assert [retry_delay(n).total_seconds() for n in (1, 2, 3, 9, 10, 60)] == [2, 4, 8, 512, 600, 600]


def test_who_is_too_fast_waits_at_least_a_second() -> None:
    assert RateLimited(retry_after=0).retry_after == 1
    assert RateLimited("Slow down", retry_after=7).retry_after == 7


def test_normalising_is_for_what_could_be_short_enough() -> None:
    """Ordering accents takes quadratic time: what is refused for its length must not be normalised first."""
    assert nfc("e\u0301" * 100, at_most=100) == "\u00e9" * 100
    bomb = "a" + "\u0316\u0300" * 200
    assert nfc(bomb, at_most=100) is bomb
