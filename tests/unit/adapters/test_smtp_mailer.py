import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.smtp.mailer import SmtpMailer
from application.ports.mail import Mail, MailRefused, MailUndeliverable
from tests.servers.proxy import TcpProxy
from tests.servers.smtp import SmtpServer
from tests.servers.tls import loopback_tls

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MAIL = Mail("ann@example.org", "Your code", "Your code is 123456.", AT)
SENDER = "Virtual Tutor <tutor@example.org>"
LOGIN = ("tutor", "sesame")


async def test_a_mail_carries_what_mail_needs() -> None:
    async with SmtpServer() as server:
        await SmtpMailer(host="127.0.0.1", port=server.port, default_sender=SENDER).deliver(MAIL)

    (mail,) = server.mails
    assert (mail.sender, mail.to) == ("tutor@example.org", ("ann@example.org",))
    assert mail.message["from"] == SENDER
    assert mail.message["to"] == "ann@example.org"
    assert mail.message["date"].datetime == AT
    assert mail.message["message-id"].endswith("@example.org>")
    assert mail.message["auto-submitted"] == "auto-generated"
    assert mail.message.get_content_type() == "text/plain"


@pytest.mark.parametrize("sender", ["tutor@example.org", "Tutör <tutor@example.org>", "<tutor@example.org>"])
async def test_a_sender_may_be_written_in_several_ways(sender: str) -> None:
    async with SmtpServer() as server:
        await SmtpMailer(host="127.0.0.1", port=server.port, default_sender=sender).deliver(MAIL)

    assert server.mails[0].sender == "tutor@example.org"


@pytest.mark.parametrize("sender", ["", "Tutor", "a@example.org\r\nBcc: b@example.org", "a@b@c", "<>"])
async def test_a_sender_that_is_none_is_refused(sender: str) -> None:
    async with SmtpServer() as server:
        with pytest.raises(MailRefused):
            await SmtpMailer(host="127.0.0.1", port=server.port, default_sender=sender).deliver(MAIL)

    assert not server.mails


@pytest.mark.parametrize(
    "to",
    ["a@example.org,b@example.org", "a@example.org b@example.org", "a@", "Ann <a@example.org>", "a@b\x00"],
)
async def test_only_one_plain_address_is_a_recipient(to: str) -> None:
    async with SmtpServer() as server:
        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender=SENDER)
        with pytest.raises(MailRefused):
            await mailer.deliver(Mail(to, "Your code", "text", AT))

    assert not server.mails


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_login_goes_over_tls(implicit: bool) -> None:
    offered, trust = loopback_tls()
    async with SmtpServer(tls=offered, implicit=implicit, login=LOGIN) as server:
        mailer = SmtpMailer(
            host="localhost",
            port=server.port,
            use_tls=not implicit,
            use_ssl=implicit,
            username="tutor",
            password="sesame",
            default_sender=SENDER,
            trust=trust,
        )
        await mailer.deliver(MAIL)

    (mail,) = server.mails
    assert mail.encrypted
    assert mail.user == "tutor"
    assert "sesame" not in repr(mailer)


async def test_a_wrong_password_is_refused() -> None:
    async with SmtpServer(login=LOGIN) as server:
        mailer = SmtpMailer(
            host="127.0.0.1", port=server.port, username="tutor", password="wrong", default_sender=SENDER
        )
        with pytest.raises(MailRefused) as caught:
            await mailer.deliver(MAIL)

    assert "wrong" not in str(caught.value)


async def test_a_server_nobody_vouches_for_is_refused() -> None:
    offered, _ = loopback_tls()
    async with SmtpServer(tls=offered, login=LOGIN) as server:
        mailer = SmtpMailer(
            host="localhost",
            port=server.port,
            use_tls=True,
            username="tutor",
            password="sesame",
            default_sender=SENDER,
        )
        with pytest.raises(MailRefused):
            await mailer.deliver(MAIL)

    assert server.passwords_seen == 0


async def test_tls_that_is_not_offered_is_not_done_without() -> None:
    async with SmtpServer(login=LOGIN) as server:
        mailer = SmtpMailer(
            host="127.0.0.1",
            port=server.port,
            use_tls=True,
            username="tutor",
            password="sesame",
            default_sender=SENDER,
        )
        with pytest.raises(MailRefused):
            await mailer.deliver(MAIL)

    assert server.passwords_seen == 0
    assert not server.mails


async def test_no_password_leaves_the_machine_in_clear_text() -> None:
    async with SmtpServer(login=LOGIN) as server:
        # This name means this machine, but only a resolver can know.
        mailer = SmtpMailer(
            host="0.0.0.0", port=server.port, username="tutor", password="sesame", default_sender=SENDER
        )
        with pytest.raises(MailRefused):
            await mailer.deliver(MAIL)

    assert server.connections == 0


async def test_a_silent_server_is_refused_in_time() -> None:
    async with SmtpServer(hang=True) as server:
        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender=SENDER, timeout_s=0.2)
        async with asyncio.timeout(2):
            with pytest.raises(MailRefused):
                await mailer.deliver(MAIL)


async def test_nobody_there_is_refused() -> None:
    async with SmtpServer() as server, TcpProxy(("127.0.0.1", server.port)) as proxy:
        mailer = SmtpMailer(host="127.0.0.1", port=proxy.port, default_sender=SENDER)
        await proxy.refuse()
        with pytest.raises(MailRefused):
            await mailer.deliver(MAIL)

        await proxy.accept()
        await mailer.deliver(MAIL)

    assert len(server.mails) == 1


async def test_a_line_that_is_cut_is_refused() -> None:
    async with SmtpServer() as server, TcpProxy(("127.0.0.1", server.port)) as proxy:
        mailer = SmtpMailer(host="127.0.0.1", port=proxy.port, default_sender=SENDER)
        proxy.hang()
        sending = asyncio.create_task(mailer.deliver(MAIL))
        await asyncio.sleep(0.05)
        proxy.cut()
        with pytest.raises(MailRefused):
            await sending


@pytest.mark.parametrize(
    ("answer", "for_good"),
    [
        ("550 5.1.1 no such user", True),
        ("553 bad", True),
        ("450 4.2.0 later", False),
        ("421 4.3.2 busy", False),
    ],
)
async def test_only_what_will_never_be_taken_is_undeliverable(answer: str, for_good: bool) -> None:
    async with SmtpServer(refuse=answer) as server:
        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender=SENDER)
        with pytest.raises(MailRefused) as caught:
            await mailer.deliver(MAIL)

    assert isinstance(caught.value, MailUndeliverable) is for_good


async def test_what_is_wrong_with_us_is_no_fault_of_the_mail() -> None:
    async with SmtpServer(login=LOGIN) as server:
        no_sender = SmtpMailer(host="127.0.0.1", port=server.port, default_sender="nobody")
        wrong_password = SmtpMailer(
            host="127.0.0.1", port=server.port, username="tutor", password="wrong", default_sender=SENDER
        )
        for mailer in (no_sender, wrong_password):
            with pytest.raises(MailRefused) as caught:
                await mailer.deliver(MAIL)
            assert not isinstance(caught.value, MailUndeliverable)


async def test_html_stands_beside_the_text() -> None:
    html = "<!doctype html><p>Your code is <strong>123456</strong>. 文 " + "x" * 2000
    async with SmtpServer() as server:
        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender=SENDER)
        await mailer.deliver(replace(MAIL, html=html))

    message = server.mails[0].message
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert (message.get_content_type(), kinds) == ("multipart/alternative", ["text/plain", "text/html"])
    plain, rich = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().strip() == MAIL.text
    assert rich.get_content().strip() == html


@pytest.mark.parametrize(
    "name", ["Schule für Alle", "学校", "Tutor, Inc.", "x" * 300, 'A "quoted" one', "a\\b"]
)
async def test_a_senders_name_is_one_name(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    async with SmtpServer() as server:
        mailer = SmtpMailer(
            host="127.0.0.1", port=server.port, default_sender=f'"{escaped}" <tutor@example.org>'
        )
        await mailer.deliver(MAIL)

    (mail,) = server.mails
    (sender,) = mail.message["from"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "tutor@example.org")
    assert set(mail.message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
        "Content-Type", "Content-Transfer-Encoding",
    }  # fmt: skip


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\x0b", "\u2028", "\x85"])
@pytest.mark.parametrize("field", ["to", "subject", "sender"])
async def test_no_header_can_be_smuggled_in(field: str, end: str) -> None:
    smuggled = f"{end}Bcc: eve@example.org"
    sender = f"Tutor{smuggled} <tutor@example.org>" if field == "sender" else SENDER
    mail = Mail(
        "ann@example.org" + smuggled * (field == "to"), "Code" + smuggled * (field == "subject"), "text", AT
    )
    async with SmtpServer() as server:
        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender=sender)
        with suppress(MailRefused):
            await mailer.deliver(mail)

    assert all(sent.to == ("ann@example.org",) for sent in server.mails)
    assert all("Bcc" not in sent.message for sent in server.mails)


async def test_the_same_mail_is_the_same_message_at_each_try() -> None:
    other = replace(MAIL, created_at=AT + timedelta(microseconds=1))
    async with SmtpServer() as server:
        mailer = SmtpMailer(host="127.0.0.1", port=server.port, default_sender=SENDER)
        for mail in (MAIL, MAIL, other):
            await mailer.deliver(mail)

    first, again, another = (mail.message["message-id"] for mail in server.mails)
    assert first == again != another
