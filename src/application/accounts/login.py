import logging
from dataclasses import dataclass

from application.accounts import limits
from application.accounts.addresses import normalised
from application.accounts.mails import failed_logins_mail
from application.accounts.token_life import TokenLife
from application.ports.clock import Clock
from application.ports.credentials import Claims, PasswordHasher, Tokens
from application.ports.login_sessions import LoginSessions
from application.ports.mail import Outbox
from application.ports.persistence import Credentials, Reading, WorkFactory
from application.ports.throttle import Throttle
from domain.errors import Invalid, RateLimited
from domain.text import nfc
from domain.user import PASSWORD_MAX, AccountBanned, InvalidCredentials

log = logging.getLogger(__name__)

TOO_MANY = "Too many login attempts. Please try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials in, token out; unknown address and wrong password are one refusal, in the same time."""

    work: WorkFactory
    reading: Reading
    hasher: PasswordHasher
    tokens: Tokens
    sessions: LoginSessions
    throttle: Throttle
    outbox: Outbox
    clock: Clock
    life: TokenLife
    single_session: bool

    async def __call__(self, email: str, password: str, ip: str) -> str:
        address = self._address(email)
        await self._count(address, ip)
        account = await self.reading.credentials(address)
        password = nfc(password, PASSWORD_MAX)[: 4 * PASSWORD_MAX]  # longer ones are wrong
        fits = await self.hasher.verify(password, account.password_hash if account else None)
        if account is None or not fits:
            log.info("login failed", extra={"user_id": account.id if account else None})
            raise InvalidCredentials
        if account.banned:
            log.info("login failed", extra={"user_id": account.id, "banned": True})
            raise AccountBanned
        await self.throttle.forget(limits.LOGIN_PER_ACCOUNT, address)
        await self.throttle.give_back(limits.LOGIN_PER_IP, ip)
        fresh = await self.hasher.hash(password) if self.hasher.outdated(account.password_hash) else None
        return await self._sign_in(account, fresh)

    @staticmethod
    def _address(email: str) -> str:
        try:
            return normalised(email)
        except Invalid as error:  # nobody has such an address
            raise InvalidCredentials from error

    async def _count(self, address: str, ip: str) -> None:
        """Attempts count before they are judged, so that parallel ones cannot slip through."""
        if wait := await self.throttle.take(limits.LOGIN_PER_ACCOUNT, address):
            await self._warn_owner(address)
            raise RateLimited(TOO_MANY, retry_after=wait)
        if wait := await self.throttle.take(limits.LOGIN_PER_IP, ip):
            await self.throttle.give_back(limits.LOGIN_PER_ACCOUNT, address)
            raise RateLimited(TOO_MANY, retry_after=wait)

    async def _warn_owner(self, address: str) -> None:
        """Once per window, and with the same work for an address that nobody has."""
        if not await self.throttle.take(limits.OWNER_WARNED, address):
            known = await self.reading.is_known(address)
            await self.outbox.post(failed_logins_mail(address, self.clock.now()), deliver=known)

    async def _sign_in(self, verified: Credentials, fresh_hash: str | None) -> str:
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.bare(verified.id)
            if user is None or user.password_hash != verified.password_hash:
                raise InvalidCredentials  # the password was changed while we looked at it
            auth_time = user.signed_in(now)
            if fresh_hash is not None:
                user.password_hash = fresh_hash
            await w.log.record(user, "login", user, now)
            await w.commit()
        log.info("logged in", extra={"user_id": user.id})
        claims = self.life.first(user.id, auth_time, now)
        await self.sessions.open(claims, user.email, now, single=self.single_session)
        await self._still_there(claims)
        return self.tokens.sign(claims, user.email, user.role)

    async def _still_there(self, claims: Claims) -> None:
        """Who was deleted or locked out meanwhile has left before this token was opened: it must not stay."""
        account = await self.reading.account(claims.user)
        if account is None or account.banned or account.revoked(claims.auth_time):
            await self.sessions.close(claims)
            raise InvalidCredentials
