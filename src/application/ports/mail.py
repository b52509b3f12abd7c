from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str
    created_at: datetime
    html: str | None = None  # the same for readers that show it


class MailRefused(Unavailable):
    """The mail server cannot be reached or will not take the mail now."""


class MailUndeliverable(MailRefused):
    """Nor will it ever: its recipient does not exist, or it is no mail."""


class Outbox(Protocol):
    """The queue of code mails: encrypted, kept 300 s, shared by all workers."""

    async def post(self, mail: Mail, *, deliver: bool = True) -> None:
        """Queue a mail and return at once. With `deliver` False the same work is done and the mail is dropped
        later, so that nobody can tell by the clock whether an address is known."""
        ...

    async def take(self) -> Mail | None:
        """The next mail to deliver, waiting up to a few seconds for one."""
        ...

    async def put_back(self, mail: Mail, wait: timedelta) -> None:
        """A mail that was taken and not delivered: it is taken again once `wait` is over, or dropped if it is
        too old by then. Meanwhile it holds up no other."""
        ...


class Mailer(Protocol):
    """Delivers one mail: over SMTP, or into the development mailbox."""

    async def deliver(self, mail: Mail) -> None:
        """Raises MailRefused; MailUndeliverable when another try cannot help."""
        ...


class Mailbox(Protocol):
    """The development mailbox's reading side."""

    async def recent(self) -> list[Mail]:
        """The last 100 mails, newest first."""
        ...
