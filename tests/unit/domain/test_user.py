import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidField
from domain.user import (
    AccountBanned,
    Purpose,
    Role,
    Status,
    WeakPassword,
    acceptable_password,
    new_user,
    purpose_of,
    requested_role,
)
from tests.builders import a_user
from tests.fakes.clock import START

COMMON = frozenset({"password1", "correcthorse"})
ANN = "ann@example.org"


class TestPassword:
    @pytest.mark.parametrize(
        "password", ["12345678 x", "        ", "密码密码密码密码", "x" * 128, "\U0001f393" * 8]
    )
    def test_needs_length_only(self, password: str) -> None:
        assert acceptable_password(password, ANN, COMMON) == password

    @pytest.mark.parametrize("password", ["", "1234567", "x" * 129, "e\u0301" * 7])
    def test_has_bounds_in_code_points(self, password: str) -> None:
        with pytest.raises(WeakPassword, match="Password must be between 8 and 128 characters"):
            acceptable_password(password, ANN, COMMON)

    @pytest.mark.parametrize("password", ["password1", "PassWord1", "CORRECTHORSE", ANN, "Ann@Example.ORG"])
    def test_is_none_that_everybody_tries(self, password: str) -> None:
        with pytest.raises(WeakPassword, match="This password is too common"):
            acceptable_password(password, ANN, COMMON)

    @pytest.mark.parametrize("password", ["longenough\x00", "longenough\ud800"])
    def test_must_be_storable(self, password: str) -> None:
        with pytest.raises(InvalidField):
            acceptable_password(password, ANN, COMMON)

    @given(st.text(max_size=140))
    def test_is_the_same_however_it_was_composed(self, text: str) -> None:
        def outcome(password: str) -> object:
            try:
                return acceptable_password(password, ANN, COMMON)
            except (WeakPassword, InvalidField) as refusal:
                return type(refusal)

        composed = unicodedata.normalize("NFC", text)
        assert outcome(text) == outcome(composed) == outcome(unicodedata.normalize("NFD", text))
        if isinstance(found := outcome(text), str):
            assert 8 <= len(found) <= 128
            assert found == composed


class TestUser:
    def test_is_new_with_a_profile_named_after_the_address(self) -> None:
        user = new_user(f"{'x' * 60}@example.org", "hash", Role.STUDENT, START)
        assert user.profile is not None
        assert (user.profile.username, user.profile.full_name) == ("x" * 50, "")
        assert user.profile.avatar_url == "/static/avatars/default.png"
        assert (user.status, user.role, user.last_login) == (Status.INACTIVE, Role.STUDENT, None)

    def test_is_active_while_signed_in(self) -> None:
        user = a_user()
        user.signed_in(START + timedelta(hours=1))
        assert (user.status, user.last_login) == (Status.ACTIVE, START + timedelta(hours=1))
        user.signed_out()
        assert user.status is Status.INACTIVE

    def test_a_login_is_revoked_by_a_worker_whose_clock_is_behind(self) -> None:
        user = a_user()
        auth_time = user.signed_in(START + timedelta(seconds=5))
        user.revoke_tokens(START)
        assert user.tokens_from is not None
        assert auth_time < user.tokens_from

    def test_who_came_back_after_a_logout_is_there(self) -> None:
        user = a_user()
        user.signed_in(START + timedelta(seconds=5))
        statuses = []
        for seconds in (0, 5):
            user.signed_out(START + timedelta(seconds=seconds))
            statuses.append(user.status)
        assert statuses == [Status.ACTIVE, Status.INACTIVE]

    def test_stays_banned_whatever_happens(self) -> None:
        user = a_user(status=Status.BANNED)
        with pytest.raises(AccountBanned):
            user.signed_in(START)
        user.signed_out()
        assert (user.status, user.last_login) == (Status.BANNED, None)


def test_newcomers_are_students_or_tutors() -> None:
    assert [requested_role(role) for role in ("student", "tutor")] == [Role.STUDENT, Role.TUTOR]
    for role in ("admin", "Tutor", "", "root"):
        with pytest.raises(InvalidField, match="Invalid role"):
            requested_role(role)


def test_purposes_are_a_closed_list() -> None:
    assert {purpose_of(purpose.value) for purpose in Purpose} == set(Purpose)
    for text in ("", "REGISTER", "login"):
        with pytest.raises(InvalidField, match="Invalid purpose"):
            purpose_of(text)
