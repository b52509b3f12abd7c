"""A copy of running replies where other workers find it, made off the token path."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.chat.running import RunningReply
from application.ports.replies import Batch, ReplyLogs


@dataclass(frozen=True, slots=True)
class Mirror:
    logs: ReplyLogs

    async def copy(self, replies: Sequence[RunningReply]) -> None:
        """What is new in these replies, in one round trip. Where an earlier part was lost on the other side,
        the whole is copied again."""
        gone = await self._append([r for r in replies if r.mirrored < len(r.reply.log)])
        for running in gone:
            running.mirrored = 0
        await self._append(gone)

    async def complete(self, running: RunningReply) -> None:
        """Its last events too; the copy stays for a while."""
        await self.copy([running])
        await self.logs.expire(running.reply.message)

    async def forget(self, running: RunningReply) -> None:
        running.mirrored = len(running.reply.log)  # there is nothing left to copy
        await self.logs.forget([running.reply.message])

    async def _append(self, fresh: Sequence[RunningReply]) -> list[RunningReply]:
        """Those whose copy has lost its beginning."""
        if not fresh:
            return []
        batches = [
            Batch(r.reply.message, r.mirrored + 1, r.reply.log[r.mirrored :], r.reply.ended) for r in fresh
        ]
        gone = await self.logs.append(batches)
        for running, batch in zip(fresh, batches, strict=True):
            running.mirrored = max(running.mirrored, batch.last)
        return [running for running in fresh if running.reply.message in gone]
