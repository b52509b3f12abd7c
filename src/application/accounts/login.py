from dataclasses import dataclass

from application.accounts import limits
from application.accounts.addresses import normalised
from application.accounts.token_life import TokenLife
from application.ports.clock import Clock
from application.ports.credentials import PasswordHasher, Tokens
from application.ports.login_sessions import LoginSessions
from application.ports.persistence import WorkFactory
from application.ports.throttle import Throttle
from domain.errors import Invalid, RateLimited
from domain.text import nfc
from domain.user import PASSWORD_MAX, InvalidCredentials, User

TOO_MANY = "Too many login attempts. Please try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials in, token out; unknown address and wrong password are one refusal, in the same time."""

    work: WorkFactory
    hasher: PasswordHasher
    tokens: Tokens
    sessions: LoginSessions
    throttle: Throttle
    clock: Clock
    life: TokenLife
    single_session: bool

    async def __call__(self, email: str, password: str, ip: str) -> str:
        address = self._address(email)
        await self._count(address, ip)
        async with self.work() as w:
            user = await w.users.by_email(address)
        password = nfc(password)[: 4 * PASSWORD_MAX]  # longer ones are wrong, and cheap to refuse
        if not await self.hasher.verify(password, user.password_hash if user else None) or user is None:
            raise InvalidCredentials
        user.check_may_sign_in()
        await self.throttle.forget(limits.LOGIN_PER_ACCOUNT, address)
        await self.throttle.give_back(limits.LOGIN_PER_IP, ip)
        fresh = await self.hasher.hash(password) if self.hasher.outdated(user.password_hash) else None
        return await self._sign_in(user, fresh)

    @staticmethod
    def _address(email: str) -> str:
        try:
            return normalised(email)
        except Invalid as error:  # nobody has such an address
            raise InvalidCredentials from error

    async def _count(self, address: str, ip: str) -> None:
        """Attempts count before they are judged, so that parallel ones cannot slip through."""
        if wait := await self.throttle.take(limits.LOGIN_PER_ACCOUNT, address):
            raise RateLimited(TOO_MANY, retry_after=wait)
        if wait := await self.throttle.take(limits.LOGIN_PER_IP, ip):
            await self.throttle.give_back(limits.LOGIN_PER_ACCOUNT, address)
            raise RateLimited(TOO_MANY, retry_after=wait)

    async def _sign_in(self, verified: User, fresh_hash: str | None) -> str:
        now = self.clock.now()
        async with self.work() as w:
            user = await w.users.get(verified.id)
            if user is None or user.password_hash != verified.password_hash:
                raise InvalidCredentials  # the password was changed while we looked at it
            auth_time = user.signed_in(now)
            if fresh_hash is not None:
                user.password_hash = fresh_hash
            await w.log.record(user, "login", user, now)
            await w.commit()
        claims = self.life.first(user.id, auth_time, now)
        await self.sessions.open(claims, user.email, now, single=self.single_session)
        return self.tokens.sign(claims, user.email, user.role)
