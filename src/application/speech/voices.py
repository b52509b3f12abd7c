"""The replies that this process has spoken, and how they fall silent."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from application.chat.running import RunningReply
from application.speech.speaker import Speaker
from application.tasks import ended
from domain.conversation import SessionId
from domain.errors import DomainError, StorageUnavailable
from domain.speech import Delivery, Viewer
from domain.user import UserId

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Voices:
    """What it does beside the requests is waited for nowhere but in `close`."""

    speaker: Speaker
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _interrupting: dict[UserId, asyncio.Task[None]] = field(default_factory=dict, init=False)

    def accompany(self, running: RunningReply) -> None:
        """Speak the reply as it comes."""
        _ = self._do(self._speak(running))

    async def hush(self, user: UserId) -> None:
        """What is spoken for the user is dropped and interrupted. How far he has heard it is stored when this
        returns."""
        async with self.hushed(user):
            pass

    @asynccontextmanager
    async def hushed(self, user: UserId, session: SessionId | None = None) -> AsyncIterator[None]:
        """What is spoken for the user (of that session) is dropped and interrupted first; how far he has
        heard it is stored last, when the reply is."""
        delivery, now = None, self.speaker.now
        try:
            delivery = await self.speaker.floor.clear(user, session)
        except StorageUnavailable:
            log.warning("speech not stopped", extra={"user_id": user})
        if delivery is not None:
            self._interrupt(user, delivery.to)
        try:
            yield
        finally:
            if delivery is not None and delivery.goes_on(now):
                await self._note(delivery, now)

    async def close(self) -> None:
        await ended(*self._tasks)

    async def _speak(self, running: RunningReply) -> None:
        if interrupting := self._interrupting.get(running.user):
            await asyncio.wait([interrupting])  # what comes late would silence what comes next
        await self.speaker(running)

    def _interrupt(self, user: UserId, viewer: Viewer) -> None:
        task = self._interrupting[user] = self._do(self.speaker.interrupt(viewer))

        def over(_: object) -> None:
            if self._interrupting.get(user) is task:
                del self._interrupting[user]

        task.add_done_callback(over)

    async def _note(self, delivery: Delivery, now: float) -> None:
        try:
            async with self.speaker.work() as w:
                await w.messages.spoken(delivery.message, delivery.heard(now), cut=True)
                await w.commit()
        except StorageUnavailable:
            log.warning("not noted how far an answer was heard", extra={"message_id": delivery.message})

    def _do(self, what: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(_quietly(what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _quietly(what: Coroutine[object, object, None]) -> None:
    """Speech may fail in any way: the reply does not notice."""
    try:
        await what
    except DomainError as refusal:
        log.info("speech ended early", extra={"code": refusal.code})
    except Exception:
        log.exception("speech failed")
