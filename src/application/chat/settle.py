"""Replies whose worker died are settled from what it had copied: nothing that was said is lost."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from application.chat import events
from application.chat.engine import Replies
from application.chat.store_reply import citable, settled
from application.ports.clock import Clock
from application.ports.metrics import ReplyMetrics
from application.ports.persistence import Reading, WorkFactory
from application.ports.replies import Batch, ReplyLogs, Run, Runs
from domain.conversation import MessageId, MessageState, SessionId

AT_ONCE = 8  # a worker may have left hundreds
DEAD_S, LOST_S = 0.3, 2.5


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
            sources = await citable(w, session, cited)
            ours = await settled(w, session, message, state, text, sources, self.clock.now())
            await w.commit()
        if ours:
            self.metrics.settled()
            await self._tell(session, message, text, copied, withdrawn=sources != cited)
        return ours

    async def _tell(
        self, session: SessionId, message: MessageId, text: str, copied: Sequence[bytes], *, withdrawn: bool
    ) -> None:
        if withdrawn:  # the copy shows what was deleted
            await self.logs.forget([message])
            return
        if not events.is_over(copied):
            farewell = events.cut_off(session, message, text, len(copied))
            await self.logs.append([Batch(message, len(copied) + 1, farewell, ends=True)])
        await self.logs.expire(message)


@dataclass(slots=True, kw_only=True)
class SettleAbandoned:
    """Looks for replies that nobody is generating any more; any worker may run it, any number at once.

    One is settled when it is found so again: after `dead_s` where its worker's sign of life has lapsed; after
    `lost_s` where nothing is known of any worker, for its question may just be being stored, and after an
    outage of Redis a living worker needs a moment to say again what it generates."""

    reading: Reading
    runs: Runs
    replies: Replies
    settle: SettleReply
    dead_s: float = DEAD_S
    lost_s: float = LOST_S
    _suspects: dict[MessageId, float] = field(default_factory=dict, init=False)

    async def __call__(self) -> int:
        """How many were settled."""
        open_ones = [
            (session, message)
            for session, message in await self.reading.streaming()
            if self.replies.get(message) is None
        ]
        found = await self.runs.of_all([session for session, _ in open_ones])
        abandoned = [one for one in open_ones if not _is_generated(one[1], found.get(one[0]))]
        now = time.monotonic()
        before, self._suspects = self._suspects, {}
        due = []
        for session, message in abandoned:
            since = before.get(message, now)
            if message in before and now - since >= (self.dead_s if session in found else self.lost_s):
                due.append((session, message))
            else:
                self._suspects[message] = since
        random.shuffle(due)  # other workers look at the same time: let each begin elsewhere
        at_once = asyncio.Semaphore(AT_ONCE)
        return sum(await asyncio.gather(*(self._settle(*one, found.get(one[0]), at_once) for one in due)))

    async def _settle(
        self,
        session: SessionId,
        message: MessageId,
        found: tuple[Run, bool] | None,
        at_once: asyncio.Semaphore,
    ) -> bool:
        async with at_once:
            if found is not None and found[0].message == message:
                await self.runs.release(found[0])
            return await self.settle(session, message)


def _is_generated(message: MessageId, found: tuple[Run, bool] | None) -> bool:
    """Whether somebody alive generates the reply, or is about to store his question in that session."""
    return found is not None and found[1] and found[0].message in (None, message)
