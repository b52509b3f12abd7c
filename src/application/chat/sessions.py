"""Steps that several use cases take with a chat session, inside their unit of work."""

from datetime import datetime

from application.ports.persistence import Work
from domain.conversation import ChatSession, SessionId, SessionNotFound
from domain.user import UserId


async def owned_session(w: Work, user: UserId, id: SessionId) -> ChatSession:
    """The user's session; SessionNotFound for a missing one and for somebody else's alike."""
    session = await w.sessions.get(id)
    if session is None:
        raise SessionNotFound
    session.check_owner(user)
    return session


async def opened_session(w: Work, owner: UserId, title: str, now: datetime) -> ChatSession:
    """A new session under a memory key that was never used; its id is known."""
    memory = await w.sessions.new_memory()
    session = ChatSession(memory=memory, owner=owner, title=title, created_at=now, updated_at=now)
    w.sessions.add(session)
    await w.flush()
    return session
