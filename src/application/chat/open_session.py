from dataclasses import dataclass

from application.chat.sessions import opened_session
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from domain.conversation import SessionId, acceptable_title
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A new, empty chat session."""

    work: WorkFactory
    clock: Clock

    async def __call__(self, user: UserId, title: object) -> SessionId:
        title, now = acceptable_title(title), self.clock.now()
        async with self.work() as w:
            session = await opened_session(w, user, title, now)
            await w.commit()
        return session.id
