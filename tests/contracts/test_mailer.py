"""What every Mailer promises, asked of the fake and of SMTP against a real server."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from adapters.smtp.mailer import SmtpMailer
from application.ports.mail import Mail, Mailer, MailRefused
from tests.fakes.mail import FakeMailer
from tests.servers.smtp import SmtpServer

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MAIL = Mail("ann@example.org", "Your code", "Your code is 123456.\nIt lives 5 minutes. 文", AT)
Arrived = Callable[[], list[tuple[str, str, str]]]  # to, subject, text


@dataclass
class Subject:
    mailer: Mailer
    arrived: Arrived
    refuse: Callable[[], None]


@asynccontextmanager
async def faked() -> AsyncIterator[Subject]:
    mailer = FakeMailer()

    def refuse() -> None:
        mailer.down = True

    yield Subject(mailer, lambda: [(mail.to, mail.subject, mail.text) for mail in mailer.delivered], refuse)


@asynccontextmanager
async def smtp() -> AsyncIterator[Subject]:
    async with SmtpServer() as server:

        def refuse() -> None:
            server.refuse = "550 no"

        def arrived() -> list[tuple[str, str, str]]:
            return [
                (
                    mail.to[0],
                    str(mail.message["subject"]),
                    mail.message.get_content().replace("\r\n", "\n").rstrip("\n"),
                )
                for mail in server.mails
            ]

        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender="Tutor <tutor@example.org>")
        yield Subject(mailer, arrived, refuse)


@pytest.fixture(params=[faked, smtp], ids=lambda make: make.__name__)
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    async with request.param() as made:
        yield made


async def test_a_mail_arrives_as_it_is(subject: Subject) -> None:
    await subject.mailer.deliver(MAIL)

    assert subject.arrived() == [(MAIL.to, MAIL.subject, MAIL.text)]


async def test_a_refused_mail_is_not_delivered(subject: Subject) -> None:
    subject.refuse()

    with pytest.raises(MailRefused):
        await subject.mailer.deliver(MAIL)

    assert subject.arrived() == []


@pytest.mark.parametrize(
    ("to", "what"),
    [
        ("ann@example.org\r\nBcc: eve@example.org", "Your code"),
        ("ann@example.org\nBcc: eve@example.org", "Your code"),
        ("ann@example.org", "Your code\r\nBcc: eve@example.org"),
        ("ann@example.org", "Your code\nBcc: eve@example.org"),
        ("nobody", "Your code"),
        ("", "Your code"),
    ],
)
async def test_nothing_can_be_smuggled_in(subject: Subject, to: str, what: str) -> None:
    with pytest.raises(MailRefused):
        await subject.mailer.deliver(Mail(to, what, "text", AT))

    assert subject.arrived() == []


async def test_a_text_may_look_like_headers(subject: Subject) -> None:
    text = "From: x\n\n.\n.hidden\nBcc: eve@example.org"
    await subject.mailer.deliver(Mail("ann@example.org", "Odd", text, AT))

    assert subject.arrived() == [("ann@example.org", "Odd", text)]
