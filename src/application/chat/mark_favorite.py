from dataclasses import dataclass

from application.chat.sessions import held_session
from application.ports.persistence import WorkFactory
from domain.conversation import SessionId
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkFavorite:
    """A session becomes a favourite or ceases to be one; any number may be, and that is no use of it."""

    work: WorkFactory

    async def __call__(self, user: UserId, id: SessionId, is_favorite: bool) -> None:
        """Raises SessionNotFound."""
        async with self.work() as w:
            session = await held_session(w, user, id)
            session.is_favorite = is_favorite
            await w.commit()
