from dataclasses import dataclass

from application.avatars.release import ReleaseAvatar
from application.ports.clock import Clock
from application.ports.credentials import Claims
from application.ports.login_sessions import LoginSessions
from application.ports.persistence import WorkFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    """The token and its kin open nothing any more; doing it twice is fine, and does what the first time could
    not be stored."""

    work: WorkFactory
    sessions: LoginSessions
    release_avatar: ReleaseAvatar
    clock: Clock

    async def __call__(self, claims: Claims) -> None:
        now = self.clock.now()
        was_alive = await self.sessions.is_alive(claims, now, active=False)
        was_alive = was_alive or await self.sessions.successor_of(claims) is not None
        was_last = await self.sessions.close(claims)
        if was_last:
            await self.release_avatar(claims.user)
        async with self.work() as w:
            user = await w.users.get(claims.user)
            if user is None:
                return
            was = user.status
            if was_last:
                user.signed_out(now)
            if was_alive or user.status is not was:  # else it was done before, to its end
                await w.log.record(user, "logout", user, now)
                await w.commit()
