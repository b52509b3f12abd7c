"""Mail through a real SMTP server that is there, away, silent or choosy: what is delivered, when, and what
waits for nobody."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from redis import Redis

from tests.conftest import Valkey
from tests.integration.house import PASSWORD, House, a_house
from tests.servers.proxy import TcpProxy
from tests.servers.smtp import SmtpServer

SENDER = "Schule für Alle <tutor@example.org>"
QUEUE, LATER = "mail:queue", "mail:later"


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest.fixture
async def line(smtp: SmtpServer) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(("127.0.0.1", smtp.port)) as proxy:
        yield proxy


@pytest.fixture
async def mailing(tmp_path: Path, redis: Redis, valkey: Valkey, line: TcpProxy) -> AsyncIterator[House]:
    """A house whose mails go over a line that may be bad."""
    async with a_house(
        tmp_path,
        REDIS_URL=valkey.url,
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=str(line.port),
        MAIL_DEFAULT_SENDER=SENDER,
    ) as house:
        yield house


async def until(holds: Callable[[], Awaitable[object]], within: float = 8.0) -> None:
    deadline = time.monotonic() + within
    while not await holds():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.05)


async def arrived(smtp: SmtpServer, to: str, within: float = 8.0) -> EmailMessage:
    """The newest mail to this address."""

    async def one() -> bool:
        return any(mail.to == (to,) for mail in smtp.mails)

    await until(one, within)
    return next(mail.message for mail in reversed(smtp.mails) if mail.to == (to,))


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def ask_for_code(house: House, to: str) -> None:
    answer = await house.client.post("/api/send_verification", json={"email": to})
    assert answer.status_code == 200, answer.text


async def an_account(house: House, email: str, role: str) -> None:
    await house.sql(
        "INSERT INTO user (email, password_hash, role, status, created_at) "
        f"VALUES ('{email}', 'x', '{role}', 'inactive', '2026-03-01 09:00:00.000000')"
    )


async def queue_notices(house: House, *to: str) -> None:
    for address in to:
        await house.sql(
            "INSERT INTO job (kind, payload, dedup_key, state, run_at, created_at) VALUES ('send_mail', "
            f"json_object('to', '{address}', 'subject', 'S', 'text', 'T', 'html', NULL, "
            f"'created_at', '2100-01-01T00:00:00+00:00'), 'mail:{address}', 'waiting', "
            "'2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')"
        )


async def test_a_code_arrives_as_text_and_as_html(mailing: House, smtp: SmtpServer) -> None:
    await ask_for_code(mailing, "ann@example.org")
    message = await arrived(smtp, "ann@example.org")
    code = text_of(message).split("code is ")[1][:6]

    assert message["from"] == SENDER
    assert message["subject"] == "Your Virtual Tutor verification code"
    assert message.get_content_type() == "multipart/alternative"
    assert f">{code}</strong>" in text_of(message, "html")
    registered = await mailing.client.post(
        "/api/register", json={"email": "ann@example.org", "password": PASSWORD, "code": code}
    )
    assert registered.status_code == 201
    assert len(smtp.mails) == 1


async def test_with_the_server_away_nobody_waits_and_the_code_comes_later(
    mailing: House, smtp: SmtpServer, line: TcpProxy, redis: Redis
) -> None:
    await line.refuse()
    began = time.perf_counter()
    await ask_for_code(mailing, "ann@example.org")
    assert time.perf_counter() - began < 3

    async def put_back() -> bool:
        return bool(redis.exists(LATER))

    await until(put_back)
    await line.accept()
    await arrived(smtp, "ann@example.org")
    await asyncio.sleep(0.3)
    assert len(smtp.mails) == 1
    assert not redis.exists(QUEUE, LATER)


async def test_a_server_that_says_nothing_holds_up_no_request(
    mailing: House, smtp: SmtpServer, line: TcpProxy
) -> None:
    line.hang()
    for n in range(3):
        began = time.perf_counter()
        await ask_for_code(mailing, f"u{n}@example.org")
        assert (await mailing.client.get("/api/health")).status_code == 200
        assert time.perf_counter() - began < 3  # the line would hold for ten
    line.resume()
    for n in range(3):
        await arrived(smtp, f"u{n}@example.org")


async def test_an_address_nobody_has_holds_up_no_other_and_is_dropped(
    mailing: House, smtp: SmtpServer, redis: Redis
) -> None:
    smtp.refuse = "550 5.1.1 no such user"
    await ask_for_code(mailing, "nobody@example.org")

    async def tried() -> bool:
        return smtp.connections > 0

    await until(tried)
    await asyncio.sleep(0.1)
    smtp.refuse = None
    await ask_for_code(mailing, "ann@example.org")
    await arrived(smtp, "ann@example.org", within=2)
    assert not redis.exists(LATER)
    assert len(smtp.mails) == 1


async def test_an_address_that_is_refused_for_now_is_tried_again(mailing: House, smtp: SmtpServer) -> None:
    smtp.refuse = "451 4.7.1 greylisted"
    await ask_for_code(mailing, "ann@example.org")

    async def tried() -> bool:
        return smtp.connections > 0

    await until(tried)
    smtp.refuse = None
    await arrived(smtp, "ann@example.org")


async def test_a_notice_goes_out_after_an_outage_without_a_restart(
    mailing: House, smtp: SmtpServer, line: TcpProxy
) -> None:
    await an_account(mailing, "ada@example.org", "admin")
    ann = await registered(mailing, smtp, "ann@example.org")
    await line.refuse()
    asked = await mailing.client.post(
        "/api/user/tutor_request", headers={"Authorization": f"Bearer {ann}"}, json={"reason": "Because"}
    )
    assert asked.status_code == 200

    async def failed_once() -> bool:
        return await mailing.sql("SELECT 1 FROM job WHERE kind = 'send_mail' AND error = 'MailRefused'") != []

    await until(failed_once)
    await line.accept()
    message = await arrived(smtp, "ada@example.org")

    assert message["subject"] == "New tutor request"
    assert "Because" in text_of(message)

    async def done() -> bool:
        return await mailing.sql("SELECT state, payload FROM job WHERE kind = 'send_mail'") == [
            ("done", "{}")
        ]

    await until(done)


async def registered(house: House, smtp: SmtpServer, email: str) -> str:
    await ask_for_code(house, email)
    code = text_of(await arrived(smtp, email)).split("code is ")[1][:6]
    made = {"email": email, "password": PASSWORD, "code": code}
    assert (await house.client.post("/api/register", json=made)).status_code == 201
    return (await house.login(email)).token


async def test_mails_that_hang_hold_up_no_document(
    mailing: House, smtp: SmtpServer, line: TcpProxy, tmp_path: Path
) -> None:
    token = await registered(mailing, smtp, "ann@example.org")
    line.hang()
    before = line.connections
    await queue_notices(mailing, *(f"u{n}@example.org" for n in range(5)))

    async def hanging() -> bool:
        return line.connections > before

    await until(hanging)
    uploaded = await mailing.client.post(
        "/api/chat/upload",
        headers={"Authorization": f"Bearer {token}"},
        files={"file": ("cells.txt", b"The mitochondrion makes the energy of the cell.")},
    )
    assert uploaded.json()["rag_status"] == "indexed", uploaded.text
    line.resume()
    for n in range(5):
        await arrived(smtp, f"u{n}@example.org")


async def test_a_notice_nobody_will_ever_take_is_given_up(mailing: House, smtp: SmtpServer) -> None:
    smtp.refuse = "550 5.1.1 no such user"
    await queue_notices(mailing, "nobody@example.org")

    async def done() -> bool:
        return await mailing.sql("SELECT state FROM job WHERE kind = 'send_mail'") == [("done",)]

    await until(done)
    assert smtp.mails == []
