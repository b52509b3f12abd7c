import asyncio
import logging
from dataclasses import dataclass

from application.avatars.release import ReleaseAvatar
from application.ports.calls import Calls
from application.ports.login_sessions import LoginSessions
from domain.errors import StorageUnavailable
from domain.user import UserId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessions:
    """What an account has going on ends. Called after the commit that revoked its tokens, so that with Redis
    away nothing is half done: those tokens are dead already, and what is left here goes by its time limit."""

    sessions: LoginSessions
    calls: Calls
    release_avatar: ReleaseAvatar

    async def __call__(self, user: UserId, *, replies: bool) -> None:
        """With `replies`, also what is being answered."""
        await asyncio.gather(self.release_avatar(user), self._end(user, replies=replies))

    async def _end(self, user: UserId, *, replies: bool) -> None:
        try:
            try:
                await self.sessions.close_all(user)
            finally:
                if replies:
                    await self.calls.stop_user(user)
        except StorageUnavailable:
            log.warning("sessions not tidied up", extra={"user_id": user})
