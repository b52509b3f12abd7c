import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import count

from typing_extensions import override

from application.ports.calls import (
    Call,
    Calls,
    FilesChanged,
    Followed,
    JobsCancelled,
    Stopped,
    StopSession,
    StopUnread,
    StopUser,
)
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable
from domain.user import UserId


class FakeCalls(Calls):
    """Everybody who listens hears each call; who does not listen misses it. `down`: none can be made."""

    def __init__(self) -> None:
        self.down = False
        self.made: list[Call] = []
        self._listening: list[asyncio.Queue[Call]] = []
        self._orders = count(1)
        self._confirmed: dict[str, asyncio.Future[Stopped]] = {}

    @property
    def stopped_users(self) -> list[UserId]:
        return [call.user for call in self.made if isinstance(call, StopUser)]

    @override
    async def stop_user(self, user: UserId) -> None:
        self._make(StopUser(user))

    @override
    async def stop_unread(self, session: SessionId) -> None:
        self._make(StopUnread(session))

    @override
    async def followed(self, messages: Sequence[MessageId]) -> None:
        self._make(Followed(list(messages)))

    @override
    async def files_changed(self, user: UserId) -> None:
        self._make(FilesChanged(user))

    @override
    async def jobs_cancelled(self) -> None:
        self._make(JobsCancelled())

    @override
    async def stop_session(self, session: SessionId, within_s: float) -> Stopped | None:
        order = str(next(self._orders))
        confirmed: asyncio.Future[Stopped] = asyncio.get_running_loop().create_future()
        self._confirmed[order] = confirmed
        self._make(StopSession(session, order))
        try:
            async with asyncio.timeout(within_s):
                return await confirmed
        except TimeoutError:
            return None

    @override
    async def confirm(self, order: str, stopped: Stopped) -> None:
        if self.down:
            raise StorageUnavailable
        if order in self._confirmed and not self._confirmed[order].done():
            self._confirmed[order].set_result(stopped)

    @override
    async def heard(self) -> AsyncGenerator[Call]:
        line: asyncio.Queue[Call] = asyncio.Queue()
        self._listening.append(line)
        try:
            while True:
                yield await line.get()
        finally:
            self._listening.remove(line)

    def _make(self, call: Call) -> None:
        if self.down:
            raise StorageUnavailable
        self.made.append(call)
        for line in self._listening:
            line.put_nowait(call)
