from collections.abc import Sequence
from dataclasses import dataclass

from application.chat.context import MOST_MESSAGES, Budget, Exchange, to_summarise
from application.chat.upstreams import Upstreams
from application.chat.writing import asked_of, written
from application.ports.persistence import Reading, WorkFactory
from domain.conversation import MessageId, SessionId

SUMMARY_MAX = 1000  # characters
SUMMARY_TOKENS = 300
LOOKED_AT = 4 * MOST_MESSAGES
READ_AT_ONCE = 2500  # tokens, so that small models can hold it

SYSTEM = (
    "You keep the minutes of a conversation between a student and a tutor. Write plain sentences, at most "
    "120 words, in the language of the conversation. Keep names, numbers, what the student wants to learn "
    "and what was explained."
)
TASK = "Write a new summary of everything above. Answer with the summary alone."


@dataclass(frozen=True, slots=True, kw_only=True)
class SummariseSession:
    """What falls out of a long conversation's prompt is told in the session's summary. The messages
    themselves stay as they are, and so does the moment of last use."""

    upstreams: Upstreams
    work: WorkFactory
    reading: Reading
    budget: Budget

    async def __call__(self, id: SessionId) -> None:
        writer = self.upstreams.writer
        async with self.work() as w:
            session = await w.sessions.get(id)
        if session is None or writer is None:
            return
        context = await self.reading.turns(id, None, LOOKED_AT)
        falling = _at_once(to_summarise(context, self.budget))
        if not falling:
            return
        prompt = asked_of(session, SYSTEM, TASK, falling, SUMMARY_TOKENS, context.summary)
        text = await written(writer, prompt, SUMMARY_MAX)
        if text:
            await self._keep(id, context.summary_upto, text, falling[-1].upto)

    async def _keep(self, id: SessionId, was_upto: MessageId | None, summary: str, upto: MessageId) -> None:
        """Unless meanwhile somebody else has summarised, or what it tells of was said differently."""
        async with self.work() as w:
            session = await w.sessions.hold(id)
            if session is None or session.summary_upto != was_upto:
                return
            last = await w.messages.get(upto)
            if last is None or last.superseded_by is not None:
                return
            session.summary, session.summary_upto = summary, upto
            await w.commit()


def _at_once(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """The first ones, as many as a small model can read in one go."""
    found: list[Exchange] = []
    room = READ_AT_ONCE
    for exchange in exchanges:
        short = exchange.within(READ_AT_ONCE // 4)
        if short.cost > room:
            break
        room -= short.cost
        found.append(short)
    return found
