from dataclasses import dataclass

from application.chat.engine import Question
from application.chat.running import RunningReply
from application.chat.sessions import owned_session, question_in
from application.chat.take_turn import TakeTurn
from application.ports.clock import Clock
from application.ports.persistence import Reading, WorkFactory
from domain.conversation import (
    Message,
    MessageId,
    MessageNotFound,
    SessionId,
    SessionNotFound,
    Speaker,
    acceptable_question,
)
from domain.user import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """Another wording of a question of the current branch."""

    user: UserId
    session: SessionId
    message: MessageId
    text: str | None
    use_documents: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditQuestion:
    """Change a question and have it answered anew. The earlier wording and everything that followed it are
    kept as an earlier version."""

    work: WorkFactory
    reading: Reading
    take_turn: TakeTurn
    clock: Clock
    max_chars: int

    async def __call__(self, edited: Edited) -> RunningReply:
        """Raises SessionNotFound, MessageNotFound."""
        text = acceptable_question(edited.text, self.max_chars)
        if not await self.reading.owns(edited.user, edited.session):
            raise SessionNotFound
        await self.take_turn.admit(edited.user)

        async def store() -> Question:
            now = self.clock.now()
            async with self.work() as w:
                session = await owned_session(w, edited.user, edited.session)
                earlier = await w.messages.get(edited.message)
                if earlier is None or not _can_be_changed(earlier, session.id):
                    raise MessageNotFound
                message = Message(
                    session_id=session.id,
                    speaker=Speaker.USER,
                    content=text,
                    created_at=now,
                    version_of=earlier.root,
                )
                w.messages.add(message)
                await w.flush()
                gone = await w.messages.supersede_from(earlier.id, message.id)
                await w.sessions.count_message(session.id, now, 1 - gone)
                return await question_in(w, session, message, now, edited.use_documents, fresh=True)

        return await self.take_turn(edited.user, edited.session, store)


def _can_be_changed(message: Message, session: SessionId) -> bool:
    """It is a question of the session's current branch, and no file."""
    return (
        message.session_id == session
        and message.speaker is Speaker.USER
        and message.superseded_by is None
        and message.file_type is None
    )
