import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser

import pytest
from typing_extensions import override

from application.accounts import mails
from application.ports.mail import Mail
from domain.user import Purpose
from tests.fakes.clock import START

TO = "ann@example.org"
Make = Callable[[str, datetime], Mail]
ALL: list[Make] = [
    *(lambda to, now, p=purpose: mails.code_mail(to, p, "042042", now) for purpose in Purpose),
    mails.already_registered_mail,
    mails.account_made_mail,
    mails.password_changed_mail,
    mails.failed_logins_mail,
    lambda to, now: mails.tutor_request_mail(to, "eve@example.org", "<img src=//evil.example/x>", now),
]


class Words(HTMLParser):
    """What a reader of the HTML sees, and the names of its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen, self.elements = "", set[str]()
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    @override
    def handle_data(self, data: str) -> None:
        self.seen += data


@pytest.mark.parametrize("make", ALL)
def test_a_mail_says_the_same_as_text_and_as_html(make: Make) -> None:
    mail = make(TO, START)
    assert mail.html is not None
    shown = Words(mail.html)

    assert (mail.to, mail.created_at) == (TO, START)
    assert mail.subject.isprintable()
    assert " ".join(mail.text.split()) in " ".join(shown.seen.split())
    assert all(len(line) <= 78 for line in mail.text.splitlines())


@pytest.mark.parametrize("make", ALL)
def test_nothing_is_fetched_from_elsewhere(make: Make) -> None:
    mail = make(TO, START)
    assert mail.html is not None

    assert Words(mail.html).elements <= {"html", "head", "meta", "title", "body", "p", "strong"}


def test_what_a_student_writes_stays_text() -> None:
    mail = mails.tutor_request_mail(TO, "eve@example.org", "<script>\n\nBcc: x</script> & co", START)

    assert "Reason given: <script> Bcc: x</script> & co" in mail.text
    assert mail.html is not None
    assert "&lt;script&gt; Bcc: x&lt;/script&gt; &amp; co" in mail.html


def test_a_request_without_a_reason_names_none() -> None:
    assert "Reason" not in mails.tutor_request_mail(TO, "eve@example.org", "", START).text


def test_the_code_stands_out_once() -> None:
    mail = mails.code_mail(TO, Purpose.REGISTER, "042042", START)

    assert mail.text.startswith("Your verification code is 042042\n")
    assert mail.html is not None
    assert re.findall(r"<strong[^>]*>(\d+)</strong>", mail.html) == ["042042"]
