import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass

from application.chat.engine import Replies
from application.indexing.watch_files import WatchFiles
from application.jobs.doubt import Doubt
from application.ports.calls import (
    Calls,
    FilesChanged,
    Followed,
    JobsCancelled,
    StopSession,
    StopUnread,
    StopUser,
)
from application.tasks import ended
from domain.errors import StorageUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Heed:
    """Does what other workers call for."""

    calls: Calls
    replies: Replies
    watch_files: WatchFiles
    doubt: Doubt

    async def forever(self) -> None:
        """A reply that takes its time to end does not hold up the next call."""
        ending: set[asyncio.Task[None]] = set()
        try:
            async with aclosing(self.calls.heard()) as heard:
                async for call in heard:
                    match call:
                        case StopUser(user):
                            self.replies.stop_user(user)
                        case StopUnread(session):
                            self.replies.stop_unread(session)
                        case Followed(messages):
                            self.replies.followed(messages)
                        case FilesChanged(user):
                            self.watch_files.changed(user)
                        case JobsCancelled():
                            self.doubt.cast()
                        case StopSession():
                            task = asyncio.create_task(self._stop(call))
                            ending.add(task)
                            task.add_done_callback(ending.discard)
        finally:
            await ended(*ending)

    async def _stop(self, call: StopSession) -> None:
        stopped = await self.replies.stop_session(call.session)
        if stopped is not None:
            with suppress(StorageUnavailable):  # who gave the order gives it again
                await self.calls.confirm(call.order, stopped)
