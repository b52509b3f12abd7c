"""Replies whose worker died are settled from what it had copied: nothing that was said is lost."""

from dataclasses import dataclass, field

from application.chat import events
from application.chat.engine import Replies
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.replies import Batch, ReplyLogs, Run, Runs
from domain.conversation import Message, MessageId, MessageState, SessionId
from domain.errors import DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleReply:
    """Complete one abandoned reply as interrupted, with the text its copy holds; False when somebody else
    was faster. Readers elsewhere are told with the stored text, which is authoritative."""

    work: WorkFactory
    logs: ReplyLogs
    clock: Clock

    async def __call__(self, session: SessionId, message: MessageId) -> bool:
        copied = await self.logs.read(message)
        text, cited = events.said(copied)
        state = MessageState.INTERRUPTED if text else MessageState.FAILED
        async with self.work() as w:
            settled = await w.messages.settle(message, state, text, cited)
            if settled and text:
                await w.sessions.count_message(session, self.clock.now())
            await w.commit()
        if settled:
            farewell = [
                events.error(DomainError()),
                events.complete(session, message, text, interrupted=True),
            ]
            await self.logs.append([Batch(message, len(copied) + 1, farewell)])
            await self.logs.expire(message)
        return settled


@dataclass(slots=True, kw_only=True)
class SettleAbandoned:
    """Looks for replies that nobody is generating any more; any worker may run it, any number at once.

    One is settled when it is found so twice in a row: its question may just be being stored, and after an
    outage of Redis a living worker needs a moment to say that it lives."""

    work: WorkFactory
    runs: Runs
    replies: Replies
    settle: SettleReply
    _suspects: set[MessageId] = field(default_factory=set, init=False)

    async def __call__(self) -> int:
        """How many were settled."""
        async with self.work() as w:
            open_ones = await w.messages.streaming()
        suspects: set[MessageId] = set()
        settled = 0
        for message in open_ones:
            run, generated = await self._generated(message)
            if generated:
                continue
            if message.id not in self._suspects:
                suspects.add(message.id)
                continue
            if run is not None:
                await self.runs.release(run)
            settled += await self.settle(message.session_id, message.id)
        self._suspects = suspects
        return settled

    async def _generated(self, message: Message) -> tuple[Run | None, bool]:
        """Whether somebody alive generates the reply; else the run that its dead worker left behind."""
        if self.replies.has(message.id):
            return None, True
        found = await self.runs.of(message.session_id)
        if found is None:
            return None, False
        run, alive = found
        if alive:
            return None, run.message in (None, message.id)
        return (run if run.message == message.id else None), False
