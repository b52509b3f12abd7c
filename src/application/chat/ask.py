from dataclasses import dataclass
from datetime import timedelta

from application.chat.engine import Question
from application.chat.running import RunningReply
from application.chat.sessions import opened_session, owned_session, question_in
from application.chat.take_turn import Stored, TakeTurn
from application.ports.clock import Clock
from application.ports.persistence import Reading, Work, WorkFactory
from domain.conversation import (
    ChatSession,
    Message,
    MessageId,
    MessageNotFound,
    SessionId,
    SessionNotFound,
    Speaker,
    acceptable_question,
    title_of_question,
)
from domain.user import UserId

GOES_ON = timedelta(minutes=30)  # a session used within that time is the one that is meant
NEW_CHAT = "New Chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a student asks. Without a session a new one is opened; `goes_on`: unless he used one just now."""

    user: UserId
    text: str | None
    session: SessionId | None = None
    use_documents: bool | None = None  # None: decide by the question
    goes_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A student asks. The question is stored before anybody is asked for the answer; the answer is then
    generated whether or not somebody listens."""

    work: WorkFactory
    reading: Reading
    take_turn: TakeTurn
    clock: Clock
    max_chars: int

    async def __call__(self, asked: Asked, stored: Stored | None = None) -> RunningReply:
        """The reply to follow."""
        text = acceptable_question(asked.text, self.max_chars)
        session = asked.session
        if session is not None and not await self.reading.owns(asked.user, session):
            raise SessionNotFound
        await self.take_turn.admit(asked.user)
        if session is None and asked.goes_on:
            session = await self._newest_of(asked.user)

        async def store() -> Question:
            async with self.work() as w:
                return await self._store(w, asked, text, session)

        return await self.take_turn(asked.user, session, store, stored)

    async def again(
        self, asked: Asked, session: SessionId, question: MessageId, stored: Stored
    ) -> RunningReply:
        """The reply to a question that was stored earlier and is still without an answer. Raises
        MessageNotFound when it is not the last one any more: edited, answered otherwise, or gone on from."""
        await self.take_turn.admit(asked.user)

        async def store() -> Question:
            async with self.work() as w:
                owned = await owned_session(w, asked.user, session)
                message, answer = await w.messages.last_exchange(session) or (None, None)
                if message is None or message.id != question or answer is not None:
                    raise MessageNotFound
                return await question_in(w, owned, message, self.clock.now(), asked.use_documents)

        return await self.take_turn(asked.user, session, store, stored)

    async def _newest_of(self, user: UserId) -> SessionId | None:
        async with self.work() as w:
            newest = await w.sessions.newest_of(user, self.clock.now() - GOES_ON)
            return newest.id if newest else None

    async def _store(self, w: Work, asked: Asked, text: str, id: SessionId | None) -> Question:
        now = self.clock.now()
        session: ChatSession
        if id is None:
            title = NEW_CHAT if asked.goes_on else title_of_question(text)
            session = await opened_session(w, asked.user, title, now, messages=1)
        else:
            session = await owned_session(w, asked.user, id)
            await w.sessions.count_message(session.id, now)
        message = Message(session_id=session.id, speaker=Speaker.USER, content=text, created_at=now)
        w.messages.add(message)
        return await question_in(w, session, message, now, asked.use_documents)
