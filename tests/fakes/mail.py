import asyncio
from datetime import timedelta

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.mail import Mail, Mailbox, Mailer, MailRefused, Outbox

KEPT = timedelta(seconds=300)


class FakeOutbox(Outbox):
    """A queue in memory; `posted` also remembers what nobody will deliver. With a clock, old mails go."""

    def __init__(self, clock: Clock | None = None, patience: float = 0.01) -> None:
        self.posted: list[tuple[Mail, bool]] = []
        self.refuse_with: Exception | None = None
        self._queue: asyncio.Queue[tuple[Mail, bool]] = asyncio.Queue()
        self._clock = clock
        self._patience = patience

    @property
    def waiting(self) -> list[Mail]:
        """What was posted to be delivered, oldest first, delivered or not."""
        return [mail for mail, deliver in self.posted if deliver]

    def last_to(self, address: str) -> Mail:
        """The newest mail somebody was sent; fails when there is none."""
        return next(mail for mail in reversed(self.waiting) if mail.to == address)

    @override
    async def post(self, mail: Mail, *, deliver: bool = True) -> None:
        if self.refuse_with:
            raise self.refuse_with
        self.posted.append((mail, deliver))
        self._queue.put_nowait((mail, deliver))

    @override
    async def take(self) -> Mail | None:
        while True:
            if self.refuse_with:
                raise self.refuse_with
            try:
                async with asyncio.timeout(self._patience):
                    mail, deliver = await self._queue.get()
            except TimeoutError:
                return None
            if deliver and not (self._clock and self._clock.now() - mail.created_at > KEPT):
                return mail


class FakeMailer(Mailer, Mailbox):
    """A mailer whose mails can be read again, as the development mailbox is. `down` refuses everything."""

    def __init__(self) -> None:
        self.delivered: list[Mail] = []
        self.down = False

    @override
    async def deliver(self, mail: Mail) -> None:
        if self.down or "@" not in mail.to or any(c in mail.to + mail.subject for c in "\r\n"):
            raise MailRefused
        self.delivered.append(mail)

    @override
    async def recent(self) -> list[Mail]:
        return self.delivered[:-101:-1]
