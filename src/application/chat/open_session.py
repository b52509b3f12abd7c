from dataclasses import dataclass

from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from domain.conversation import ChatSession, SessionId, acceptable_title
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A new, empty chat session."""

    work: WorkFactory
    clock: Clock

    async def __call__(self, user: UserId, title: object) -> SessionId:
        title, now = acceptable_title(title), self.clock.now()
        async with self.work() as w:
            session = ChatSession(
                memory=await w.sessions.new_memory(),
                owner=user,
                title=title,
                created_at=now,
                updated_at=now,
            )
            w.sessions.add(session)
            await w.commit()
        return session.id
