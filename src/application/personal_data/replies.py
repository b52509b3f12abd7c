import asyncio
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.ports.calls import Calls
from application.ports.personal_data import Departed, PersonalStore, StillThere
from application.ports.replies import ReplyLogs, Runs
from domain.conversation import SessionId

WAIT_S, POLL_S = 5.0, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningReplies(PersonalStore):
    """Replies that are being generated, and the copies of those that were. A worker may have missed the order
    that came with the deletion: it is given again, until nobody answers any more."""

    name: ClassVar[str] = "replies"
    calls: Calls
    runs: Runs
    logs: ReplyLogs
    wait_s: float = WAIT_S

    @override
    async def erase(self, departed: Departed) -> int:
        await self.calls.stop_user(departed.id)
        deadline = asyncio.get_running_loop().time() + self.wait_s
        for session in {session for session, _ in departed.replies}:
            while await self._answers(session):
                if asyncio.get_running_loop().time() > deadline:
                    raise StillThere
                await asyncio.sleep(POLL_S)
        return await self.logs.forget([message for _, message in departed.replies])

    async def _answers(self, session: SessionId) -> bool:
        found = await self.runs.of(session)
        if found is None:
            return False
        run, alive = found
        if not alive:
            await self.runs.release(run)  # its worker died: nobody else would, for an hour
        return alive
