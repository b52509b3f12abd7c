"""The list of passwords that everybody tries (PW-1), as the house ships it."""

import pytest

from adapters.common_passwords import common_passwords
from domain.user import WeakPassword, acceptable_password


def test_each_of_them_is_refused_in_any_letter_case() -> None:
    common = common_passwords()
    long_enough = [password for password in common if len(password) >= 8]
    assert len(common) >= 3000
    assert len(long_enough) >= 1000
    for password in long_enough:
        for spelling in (password, password.upper(), password.title()):
            with pytest.raises(WeakPassword, match="This password is too common"):
                acceptable_password(spelling, "ann@example.org", common)
