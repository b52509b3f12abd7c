"""The replies that this process has spoken, and how they fall silent."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field

from application.chat.running import RunningReply
from application.speech.speaker import Speaker
from application.tasks import ended
from domain.conversation import SessionId
from domain.errors import DomainError, StorageUnavailable
from domain.user import UserId

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Voices:
    """What it does beside the requests is waited for nowhere but in `close`."""

    speaker: Speaker
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def accompany(self, running: RunningReply) -> None:
        """Speak the reply as it comes."""
        self._do(self.speaker(running))

    async def hush(self, user: UserId, session: SessionId | None = None) -> None:
        """What is spoken for the user (of that session) is dropped and interrupted. How far he has heard it
        is stored when this returns; his next question tells it."""
        try:
            delivery = await self.speaker.floor.clear(user, session)
            now = self.speaker.now
            if delivery is None or not delivery.goes_on(now):
                return
            if (viewer := await self.speaker.viewer(user)) is not None:
                self._do(self.speaker.interrupt(viewer))
            async with self.speaker.work() as w:
                await w.messages.spoken(delivery.message, delivery.heard(now), cut=True)
                await w.commit()
        except StorageUnavailable:
            log.warning("speech not stopped", extra={"user_id": user})

    async def close(self) -> None:
        await ended(*self._tasks)

    def _do(self, what: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(_quietly(what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(what: Coroutine[object, object, None]) -> None:
    """Speech may fail in any way: the reply does not notice."""
    try:
        await what
    except DomainError as refusal:
        log.info("speech ended early", extra={"code": refusal.code})
    except Exception:
        log.exception("speech failed")
