"""Replies whose worker died are settled from what it had copied: nothing that was said is lost."""

import asyncio
import random
from dataclasses import dataclass, field

from application.chat import events
from application.chat.engine import Replies
from application.chat.store_reply import settled
from application.ports.clock import Clock
from application.ports.metrics import ReplyMetrics
from application.ports.persistence import WorkFactory
from application.ports.replies import Batch, ReplyLogs, Run, Runs
from domain.conversation import Message, MessageId, MessageState, SessionId

AT_ONCE = 8  # a worker may have left hundreds


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleReply:
    """Complete one abandoned reply as interrupted, with the text its copy holds; False when somebody else
    was faster. Readers elsewhere are told with the stored text, which is authoritative."""

    work: WorkFactory
    logs: ReplyLogs
    clock: Clock
    metrics: ReplyMetrics

    async def __call__(self, session: SessionId, message: MessageId) -> bool:
        copied = await self.logs.read(message)
        text, cited = events.said(copied)
        state = MessageState.INTERRUPTED if text else MessageState.FAILED
        async with self.work() as w:
            ours = await settled(w, session, message, state, text, cited, self.clock.now())
            await w.commit()
        if ours:
            self.metrics.settled()
            if not events.is_over(copied):
                farewell = events.cut_off(session, message, text, len(copied))
                await self.logs.append([Batch(message, len(copied) + 1, farewell, ends=True)])
            await self.logs.expire(message)
        return ours


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
            open_ones = [m for m in await w.messages.streaming() if self.replies.get(m.id) is None]
        found = await self.runs.of_all([message.session_id for message in open_ones])
        abandoned = [m for m in open_ones if not _is_generated(m, found.get(m.session_id))]
        again = [m for m in abandoned if m.id in self._suspects]
        self._suspects = {m.id for m in abandoned} - {m.id for m in again}
        random.shuffle(again)  # other workers look at the same time: let each begin elsewhere
        at_once = asyncio.Semaphore(AT_ONCE)
        return sum(await asyncio.gather(*(self._settle(m, found.get(m.session_id), at_once) for m in again)))

    async def _settle(
        self, message: Message, found: tuple[Run, bool] | None, at_once: asyncio.Semaphore
    ) -> bool:
        async with at_once:
            if found is not None and found[0].message == message.id:
                await self.runs.release(found[0])
            return await self.settle(message.session_id, message.id)


def _is_generated(message: Message, found: tuple[Run, bool] | None) -> bool:
    """Whether somebody alive generates the reply, or is about to store his question in that session."""
    return found is not None and found[1] and found[0].message in (None, message.id)
