import asyncio
import logging
from dataclasses import dataclass

from application.ports.mail import Mailer, MailRefused, Outbox
from domain.errors import StorageUnavailable

log = logging.getLogger(__name__)

PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMail:
    """Empties the outbox; a mail that is refused is tried again until its code has expired."""

    outbox: Outbox
    mailer: Mailer
    pause_s: float = PAUSE_S  # after a refusal or an outage

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
            await self.mailer.deliver(mail)
        except MailRefused as error:
            log.warning("mail refused, will be tried again", extra={"cause": type(error.__cause__).__name__})
            await self.outbox.post(mail)  # keeps its age, so it is dropped once its code is worthless
            await asyncio.sleep(self.pause_s)
            return False
        except BaseException:  # we are being stopped, or have a bug: somebody still waits for this code
            await asyncio.shield(self.outbox.post(mail))
            raise
        return True
