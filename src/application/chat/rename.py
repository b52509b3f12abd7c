from dataclasses import dataclass

from application.chat.sessions import held_session
from application.ports.persistence import WorkFactory
from domain.conversation import SessionId, acceptable_title
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameSession:
    """Another title for a session; that is no use of it, so its place in the history stays."""

    work: WorkFactory

    async def __call__(self, user: UserId, id: SessionId, title: object) -> str:
        """The title as it is kept. Raises SessionNotFound."""
        title = acceptable_title(title)
        async with self.work() as w:
            session = await held_session(w, user, id)
            session.title = title
            await w.commit()
        return title
