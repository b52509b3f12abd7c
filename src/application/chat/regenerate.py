from dataclasses import dataclass

from application.chat.engine import Question
from application.chat.running import RunningReply
from application.chat.sessions import owned_session, question_in
from application.chat.take_turn import TakeTurn
from application.ports.clock import Clock
from application.ports.persistence import Reading, WorkFactory
from domain.conversation import SessionId, SessionNotFound
from domain.errors import Invalid
from domain.user import UserId


class NothingAsked(Invalid):
    msg = "There is no question to answer again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerate:
    """Answer the last question again. The earlier answer stays what is shown until the new one has ended with
    some text, and is kept as an earlier version then."""

    work: WorkFactory
    reading: Reading
    take_turn: TakeTurn
    clock: Clock

    async def __call__(self, user: UserId, session: SessionId, use_documents: bool | None) -> RunningReply:
        """Raises SessionNotFound, NothingAsked."""
        if not await self.reading.owns(user, session):
            raise SessionNotFound
        await self.take_turn.admit(user)

        async def store() -> Question:
            async with self.work() as w:
                owned = await owned_session(w, user, session)
                exchange = await w.messages.last_exchange(session)
                if exchange is None:
                    raise NothingAsked
                question, answer = exchange
                return await question_in(
                    w, owned, question, self.clock.now(), use_documents, answer_of=answer, fresh=True
                )

        return await self.take_turn(user, session, store)
