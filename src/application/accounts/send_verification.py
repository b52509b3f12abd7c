from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from application.accounts import limits
from application.accounts.addresses import normalised
from application.accounts.mails import already_registered_mail, code_mail
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.mail import Outbox
from application.ports.persistence import Reading
from application.ports.throttle import Limit, Throttle
from domain.errors import RateLimited, StorageUnavailable
from domain.user import EmailTaken, Purpose, purpose_of

TOO_SOON = "Please wait 10 seconds before requesting again"
Undo = list[Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendVerification:
    """Somebody asks for a code. Known and unknown addresses cost the same work and get the same answer,
    except that registering a taken address is refused openly unless `hide_existing`. When no mail can be
    queued, nothing was spent: neither the pause nor one of the counted requests."""

    reading: Reading
    codes: Codes
    outbox: Outbox
    throttle: Throttle
    clock: Clock
    hide_existing: bool

    async def __call__(self, email: str, purpose: str, ip: str) -> None:
        address, wanted = normalised(email), purpose_of(purpose)
        spent: Undo = []
        try:
            await self._take(limits.CODES_PER_IP, ip, spent)
            known = await self.reading.is_known(address)
            if wanted is Purpose.REGISTER and known and not self.hide_existing:
                raise EmailTaken
            await self._pause(address, spent)
            await self._take(limits.CODES_PER_EMAIL, address, spent)
            await self._mail(address, wanted, known)
        except StorageUnavailable:
            for give_back in spent:
                with suppress(StorageUnavailable):
                    await give_back()
            raise

    async def _take(self, limit: Limit, subject: str, spent: Undo) -> None:
        if wait := await self.throttle.take(limit, subject):
            raise RateLimited(retry_after=wait)
        spent.append(lambda: self.throttle.give_back(limit, subject))

    async def _pause(self, address: str, spent: Undo) -> None:
        if wait := await self.codes.wait(address):
            raise RateLimited(TOO_SOON, retry_after=wait)
        spent.append(lambda: self.codes.end_wait(address))

    async def _mail(self, address: str, purpose: Purpose, known: bool) -> None:
        now = self.clock.now()
        mail = code_mail(address, purpose, await self.codes.issue(address, purpose), now)
        registering = purpose is Purpose.REGISTER
        if registering and known:
            await self.outbox.post(already_registered_mail(address, now))
        else:
            await self.outbox.post(mail, deliver=known != registering)
