import asyncio
import ssl
import warnings
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Delivered:
    sender: str
    to: tuple[str, ...]
    message: EmailMessage
    encrypted: bool
    user: str | None


class SmtpServer:
    """A mail sink on loopback: `mails` in the order they came.

    `tls` offers STARTTLS, or with `implicit` speaks TLS from the start; `login` is the one account that may
    send; `refuse` is the answer to every recipient (`550 no`); `hang` greets nobody.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        refuse: str | None = None,
        hang: bool = False,
    ) -> None:
        self.mails: list[Delivered] = []
        self.port = 0
        self.connections = 0
        self.passwords_seen = 0
        self.refuse = refuse
        self._tls, self._implicit, self._login, self._hang = tls, implicit, login, hang
        self._server: asyncio.Server | None = None
        self._sessions: list[asyncio.Protocol] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        context = self._tls if self._implicit else None
        self._server = await loop.create_server(self._session, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            transport = getattr(session, "transport", None)
            if transport and not transport.is_closing():  # aborting twice fails on early Python 3.11
                transport.abort()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    def _session(self) -> asyncio.Protocol:
        self.connections += 1
        session: asyncio.Protocol
        if self._hang:
            session = _Silent()
        else:
            with warnings.catch_warnings(
                action="ignore"
            ):  # it warns of logins without TLS: they are the test
                session = SMTP(
                    self,
                    hostname="localhost",
                    loop=asyncio.get_running_loop(),
                    tls_context=None if self._implicit else self._tls,
                    authenticator=self._authenticate,
                    auth_required=self._login is not None,
                    auth_require_tls=False,
                )
        self._sessions.append(session)
        return session

    def _authenticate(self, *args: Any) -> AuthResult:
        self.passwords_seen += 1
        given = args[-1]
        assert isinstance(given, LoginPassword)
        fits = (given.login.decode(), given.password.decode()) == self._login
        return AuthResult(success=fits, handled=False, auth_data=given.login.decode())

    async def handle_RCPT(  # noqa: N802 (the name aiosmtpd looks for)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        encrypted = self._implicit or session.ssl is not None
        self.mails.append(
            Delivered(
                str(envelope.mail_from), tuple(envelope.rcpt_tos), message, encrypted, session.auth_data
            )
        )
        return "250 OK"


class _Silent(asyncio.Protocol):
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
