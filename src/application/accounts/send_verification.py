from dataclasses import dataclass

from application.accounts import limits
from application.accounts.addresses import normalised
from application.accounts.mails import already_registered_mail, code_mail
from application.ports.clock import Clock
from application.ports.codes import Codes
from application.ports.mail import Outbox
from application.ports.persistence import WorkFactory
from application.ports.throttle import Throttle
from domain.errors import RateLimited
from domain.user import EmailTaken, Purpose, purpose_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SendVerification:
    """Somebody asks for a code. Known and unknown addresses cost the same work and get the same answer,
    except that registering a taken address is refused openly unless `hide_existing`."""

    work: WorkFactory
    codes: Codes
    outbox: Outbox
    throttle: Throttle
    clock: Clock
    hide_existing: bool

    async def __call__(self, email: str, purpose: str, ip: str) -> None:
        address, wanted = normalised(email), purpose_of(purpose)
        if wait := await self.throttle.take(limits.CODES_PER_IP, ip):
            raise RateLimited(retry_after=wait)
        async with self.work() as w:
            known = await w.users.by_email(address) is not None
        registering = wanted is Purpose.REGISTER
        if registering and known and not self.hide_existing:
            raise EmailTaken
        if wait := await self.codes.wait(address):
            raise RateLimited("Please wait 10 seconds before requesting again", retry_after=wait)
        if wait := await self.throttle.take(limits.CODES_PER_EMAIL, address):
            raise RateLimited(retry_after=wait)
        now = self.clock.now()
        mail = code_mail(address, wanted, await self.codes.issue(address, wanted), now)
        if registering and known:
            await self.outbox.post(already_registered_mail(address, now))
        else:
            await self.outbox.post(mail, deliver=known != registering)
