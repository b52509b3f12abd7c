import asyncio
from datetime import datetime, timedelta

from typing_extensions import override

from application.ports.clock import Clock
from application.ports.mail import Mail, Mailbox, Mailer, MailRefused, MailUndeliverable, Outbox

KEPT = timedelta(seconds=300)


class FakeOutbox(Outbox):
    """A queue in memory; `posted` also remembers what nobody will deliver. With a clock, old mails go."""

    def __init__(self, clock: Clock | None = None, patience: float = 0.01) -> None:
        self.posted: list[tuple[Mail, bool]] = []
        self.refuse_with: Exception | None = None
        self.later: list[tuple[datetime, Mail]] = []
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
            self._fetch_due()
            try:
                async with asyncio.timeout(self._patience):
                    mail, deliver = await self._queue.get()
            except TimeoutError:
                return None
            if deliver and not (self._clock and self._clock.now() - mail.created_at > KEPT):
                return mail

    @override
    async def put_back(self, mail: Mail, wait: timedelta) -> None:
        await asyncio.sleep(0)  # so that a loop over an outbox without a clock lets others run
        if self.refuse_with:
            raise self.refuse_with
        self.later.append((self._clock.now() + wait if self._clock else datetime.min, mail))

    def _fetch_due(self) -> None:
        due = [(at, mail) for at, mail in self.later if not self._clock or at <= self._clock.now()]
        for entry in due:
            self.later.remove(entry)
            self._queue.put_nowait((entry[1], True))


class FakeMailer(Mailer, Mailbox):
    """A mailer whose mails can be read again, as the development mailbox is. `down` refuses everything;
    the addresses in `unknown` are nobody's."""

    def __init__(self) -> None:
        self.delivered: list[Mail] = []
        self.down = False
        self.unknown: set[str] = set()

    @override
    async def deliver(self, mail: Mail) -> None:
        if self.down:
            raise MailRefused
        no_mail = "@" not in mail.to or any(c in mail.to + mail.subject for c in "\r\n")
        if no_mail or mail.to in self.unknown:
            raise MailUndeliverable
        self.delivered.append(mail)

    @override
    async def recent(self) -> list[Mail]:
        return self.delivered[:-101:-1]
