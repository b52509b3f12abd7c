import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from random import random

from application.ports.clock import Clock
from application.ports.mail import Mail, Mailer, MailRefused, MailUndeliverable, Outbox
from domain.errors import StorageUnavailable

log = logging.getLogger(__name__)

PAUSE_S, TRIES = 1.0, 5
APART_S = 0.1
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(seconds=60)
NOW = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMail:
    """Empties the outbox. A mail that is refused is tried again, ever more rarely, until its code has
    expired; one that nobody will ever take is dropped."""

    outbox: Outbox
    mailer: Mailer
    clock: Clock
    pause_s: float = PAUSE_S  # while the outbox is away
    apart_s: float = APART_S  # at least, and at most twice, between taking a mail and delivering it

    async def forever(self) -> None:
        while True:
            try:
                await self.one()
            except StorageUnavailable:
                await asyncio.sleep(self.pause_s)

    async def one(self) -> bool:
        """Whether a mail was delivered."""
        mail = await self.outbox.take()
        if mail is None:
            return False
        try:
            # at once, it would slow the answer to who caused it: that tells that the address is known
            await asyncio.sleep(self.apart_s * (1 + random()))  # noqa: S311 (it hides, it keeps no secret)
            await self.mailer.deliver(mail)
        except MailUndeliverable as error:
            log.error("a mail was given up", extra={"subject": mail.subject, "cause": _cause(error)})
            return False
        except MailRefused as error:
            log.warning("mail refused, will be tried again", extra={"cause": _cause(error)})
            await self._keep(mail, self._wait_for(mail))
            return False
        except BaseException:  # we are being stopped, or have a bug: somebody still waits for this code
            await asyncio.shield(self.outbox.put_back(mail, NOW))
            raise
        return True

    def _wait_for(self, mail: Mail) -> timedelta:
        """As long again as it has waited so far, so each wait is twice the one before."""
        return min(max(self.clock.now() - mail.created_at, FIRST_WAIT), LONGEST_WAIT)

    async def _keep(self, mail: Mail, wait: timedelta) -> None:
        """With the outbox away, the mail stays in our hands for a while."""
        for _ in range(TRIES):
            try:
                return await self.outbox.put_back(mail, wait)
            except StorageUnavailable:
                await asyncio.sleep(self.pause_s)
        log.error("a mail was lost", extra={"subject": mail.subject})


def _cause(error: MailRefused) -> str:
    return type(error.__cause__).__name__
