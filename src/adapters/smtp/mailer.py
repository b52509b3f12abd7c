import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from ipaddress import ip_address

import aiosmtplib
from typing_extensions import override

from application.ports.mail import Mail, Mailer, MailRefused, MailUndeliverable

TOTAL_S = 30.0
NO_MAIL = (ValueError, IndexError, MessageError)  # an address, subject or text that cannot be a mail's


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpMailer(Mailer):
    """Mail through an SMTP server: one recipient, one connection each.

    `use_tls` demands STARTTLS, `use_ssl` speaks TLS from the first byte; neither is ever traded for clear
    text. A password goes over clear text to this very machine only. `default_sender` may be `Name <address>`.
    """

    host: str
    port: int = 25
    use_tls: bool = False
    use_ssl: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    default_sender: str
    timeout_s: float = 10.0
    trust: ssl.SSLContext | None = None  # None: the system's certificates

    @override
    async def deliver(self, mail: Mail) -> None:
        try:
            sender = self._sender()
        except NO_MAIL as error:
            raise MailRefused from error
        try:
            message = _message(sender, mail)
        except NO_MAIL as error:
            raise MailUndeliverable from error
        try:
            async with asyncio.timeout(TOTAL_S):
                await self._send(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise (MailUndeliverable if _for_good(error) else MailRefused) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise MailRefused from error

    async def _send(self, message: EmailMessage) -> None:
        await aiosmtplib.send(
            message,
            hostname=self.host,
            port=self.port,
            use_tls=self.use_ssl,
            start_tls=self.use_tls and not self.use_ssl,
            username=self._credential(self.username),
            password=self._credential(self.password),
            timeout=self.timeout_s,
            tls_context=self.trust,
            local_hostname=socket.gethostname(),
        )

    def _credential(self, secret: str | None) -> str | None:
        if not secret:
            return None
        if not (self.use_tls or self.use_ssl or _loopback(self.host)):
            raise ValueError("no password over an unencrypted connection")
        return secret

    def _sender(self) -> Address:
        if not self.default_sender.isprintable():
            raise ValueError("not one sender")
        name, address = parseaddr(self.default_sender)
        return Address(name, addr_spec=_one_address(address))


def _message(sender: Address, mail: Mail) -> EmailMessage:
    """Text, and HTML beside it if there is some. The same mail is the same message each time it is tried, so
    that a server that took it without our noticing may see so."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = sender
    message["To"] = Address(addr_spec=_one_address(mail.to))
    message["Subject"] = mail.subject  # the policy refuses line breaks
    message["Date"] = format_datetime(mail.created_at)
    named = "\0".join([mail.to, mail.subject, mail.created_at.isoformat()])  # nothing secret: logs show it
    message["Message-ID"] = f"<{sha256(named.encode()).hexdigest()[:32]}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html is not None:
        message.add_alternative(mail.html, subtype="html")
    return message


def _for_good(error: aiosmtplib.SMTPRecipientsRefused) -> bool:
    return all(500 <= refused.code < 600 for refused in error.recipients)


def _one_address(address: str) -> str:
    if "@" not in address or not address.isprintable() or " " in address:
        raise ValueError("not one address")
    return address


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
