import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import (
    MAX_ID,
    MessageTooLong,
    SessionNotFound,
    acceptable_question,
    acceptable_title,
    id_of,
    title_of_question,
)
from domain.errors import InvalidField, MissingField
from domain.user import UserId
from tests.builders import a_session


class TestIds:
    @pytest.mark.parametrize("text", [None, "", " ", "null", "undefined", " null "])
    def test_may_be_unsent(self, text: str | None) -> None:
        assert id_of(text, "Invalid session ID") is None

    @pytest.mark.parametrize(
        "text",
        ["0", "-1", "+1", "1.0", "1e3", "x", "²", "１", "NULL", "1 2", str(MAX_ID + 1), "9" * 20, "0x1"],
    )
    def test_that_are_none_are_refused(self, text: str) -> None:
        with pytest.raises(InvalidField) as refusal:
            id_of(text, "Invalid session ID")
        assert refusal.value.msg == "Invalid session ID"

    @given(st.integers(1, MAX_ID), st.sampled_from(["", " ", "\n"]), st.integers(0, 5))
    def test_are_read_as_written(self, number: int, blank: str, zeros: int) -> None:
        digits = str(number).rjust(min(19, len(str(number)) + zeros), "0")
        assert id_of(f"{blank}{digits}{blank}", "") == number

    @given(st.text())
    def test_are_ids_absent_or_refused(self, text: str) -> None:
        try:
            found = id_of(text, "Invalid")
        except InvalidField:
            return
        assert found is None or 0 < found <= MAX_ID


class TestQuestion:
    def test_is_trimmed_and_otherwise_kept(self) -> None:
        assert acceptable_question(" a\u2028 b  \n", 8000) == "a\u2028 b"

    @pytest.mark.parametrize("text", [None, "", "  \n\t"])
    def test_is_required(self, text: str | None) -> None:
        with pytest.raises(MissingField, match="Message is required"):
            acceptable_question(text, 10)

    def test_has_a_limit(self) -> None:
        assert acceptable_question("字" * 10, 10) == "字" * 10
        with pytest.raises(MessageTooLong, match=r"Message is too long \(max 10 characters\)"):
            acceptable_question("字" * 11, 10)

    @pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x\udfff"])
    def test_must_be_storable(self, text: str) -> None:
        with pytest.raises(InvalidField):
            acceptable_question(text, 10)


class TestTitle:
    def test_is_cut_and_never_empty(self) -> None:
        assert acceptable_title(" x ") == "x"
        assert acceptable_title("y" * 200) == "y" * 120
        assert acceptable_title("  ") == "Untitled"
        assert title_of_question("z" * 80) == "z" * 50

    @pytest.mark.parametrize("title", [None, 7, ["x"], {}, True, "a\x00"])
    def test_is_text(self, title: object) -> None:
        with pytest.raises(InvalidField, match="Invalid title"):
            acceptable_title(title)


def test_a_foreign_session_looks_like_none() -> None:
    session = a_session(UserId(1))
    session.check_owner(UserId(1))
    with pytest.raises(SessionNotFound):
        session.check_owner(UserId(2))
