"""Steps that several use cases take with a chat session, inside their unit of work."""

from datetime import datetime

from application.chat.engine import Question
from application.ports.persistence import Work
from domain.conversation import (
    ChatSession,
    Message,
    MessageState,
    SessionId,
    SessionNotFound,
    Speaker,
)
from domain.user import UserId


async def owned_session(w: Work, user: UserId, id: SessionId) -> ChatSession:
    """The user's session; SessionNotFound for a missing one and for somebody else's alike."""
    session = await w.sessions.get(id)
    if session is None:
        raise SessionNotFound
    session.check_owner(user)
    return session


async def held_session(w: Work, user: UserId, id: SessionId) -> ChatSession:
    """Likewise, held until the unit of work ends: for whoever changes or deletes it."""
    session = await w.sessions.hold(id)
    if session is None:
        raise SessionNotFound
    session.check_owner(user)
    return session


async def opened_session(
    w: Work, owner: UserId, title: str, now: datetime, *, messages: int = 0
) -> ChatSession:
    """A new session under a memory key that was never used; its id is known. `messages`: how many are about
    to be added to it."""
    session = ChatSession(
        memory=await w.sessions.new_memory(),
        owner=owner,
        title=title,
        created_at=now,
        updated_at=now,
        message_count=messages,
    )
    w.sessions.add(session)
    await w.flush()
    return session


async def question_in(
    w: Work,
    session: ChatSession,
    message: Message,
    now: datetime,
    use_documents: bool | None,
    *,
    answer_of: Message | None = None,
    fresh: bool = False,
) -> Question:
    """The stored question, with the row that its answer will fill; committed. `answer_of`: an earlier answer
    that the new one is a version of. `fresh`: what the model remembers is not this conversation any more."""
    answer = Message(
        session_id=session.id,
        speaker=Speaker.ASSISTANT,
        content="",
        state=MessageState.STREAMING,
        created_at=now,
        version_of=None if answer_of is None else answer_of.root,
    )
    w.messages.add(answer)
    memory = session.memory
    if fresh:
        memory = await w.sessions.new_memory()
        await w.sessions.renew_memory(session.id, memory)
    heard, session.heard = session.heard, None
    await w.commit()
    return Question(
        user=session.owner,
        session=session.id,
        message=message.id,
        answer=answer.id,
        memory=memory,
        text=message.content or "",
        use_documents=use_documents,
        memory_is_fresh=fresh or session.memory_is_fresh,
        heard=None if fresh else heard,
    )
