import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.accounts.addresses import MAX_LENGTH, normalised
from domain.errors import InvalidField

local = st.text("abcxyzABCXYZ019._+-", min_size=1, max_size=12)
label = st.text("abcxyzéüßπあ字", min_size=1, max_size=8)
domains = st.lists(label, min_size=2, max_size=3).map(".".join)
addresses = st.builds("{}@{}".format, local, domains)


def stored(text: str) -> str | None:
    try:
        return normalised(text)
    except InvalidField:
        return None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Ann@Example.ORG\n", "ann@example.org"),
        ("ann+math@example.org", "ann+math@example.org"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@bu\u0308cher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ("ann@ｅｘａｍｐｌｅ.org", "ann@example.org"),
        ("ann@\u212aim.org", "ann@kim.org"),  # the Kelvin sign
    ],
)
def test_one_mailbox_has_one_form(text: str, address: str) -> None:
    assert normalised(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ann",
        "@example.org",
        "ann@",
        "ann@@example.org",
        "a nn@example.org",
        "ann@exa mple.org",
        "ann@example..org",
        ".ann@example.org",
        "ａnn@example.org",
        "añn@example.org",
        "ann@example.org\x00",
        "ann\ud800@example.org",
        "ann@ex\ud800mple.org",
        "ann\r\nBcc: ben@example.org",
        "ann@example.org, ben@example.org",
        "Ann <ann@example.org>",
        "\u212aim@example.org",  # the Kelvin sign
        "x@" + "y" * 64 + ".org",
        "x@" + ".".join(["y" * 60] * 5),
        "ann@[127.0.0.1]",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="Invalid email address"):
        normalised(text)


@given(addresses)
@settings(max_examples=100, deadline=None)
def test_case_and_spelling_never_make_a_second_account(text: str) -> None:
    address = stored(text)
    user, _, domain = text.partition("@")
    variants = {stored(f" {user.upper()}@{domain} "), stored(user.swapcase() + "@" + domain.upper())}
    if address is None:
        return
    assert address.isascii()
    assert address == address.lower()
    assert len(address) <= MAX_LENGTH
    assert normalised(address) == address
    assert variants <= {address, stored(f"{user}@{domain.upper()}")}


@given(st.text(max_size=40) | st.builds("{}@{}".format, st.text(max_size=10), st.text(max_size=20)))
@settings(max_examples=150, deadline=None)
def test_anything_is_an_address_or_refused(text: str) -> None:
    address = stored(text)
    if address is not None:
        assert address.isascii()
        assert normalised(address) == address == address.lower()
        assert address.count("@") == 1
