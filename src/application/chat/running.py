"""A reply that is being generated in this process, and those who follow it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from application.chat.reply import Reply, ReplyState
from application.ports.replies import Run
from domain.user import UserId


@dataclass(eq=False, slots=True)
class RunningReply:
    """One generation, any number of readers; a reader that leaves or lags changes nothing for the others."""

    reply: Reply
    run: Run
    user: UserId
    readers: int = 0
    mirrored: int = 0  # how many events of the log have a copy elsewhere
    task: "asyncio.Task[None] | None" = None
    started: bool = False  # the task has reached the point from where it settles whatever happens
    stopping: bool = False  # a user, not a fault, ends it
    settling: bool = False  # generation is over, the outcome is being stored: too late to stop
    _waiting: set["asyncio.Future[None]"] = field(default_factory=set)

    def changed(self) -> None:
        """Wake everybody who waits for news."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def news(self, seconds: float) -> None:
        """Returns at the next change, at the latest after `seconds`."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.add(waiter)
        alarm = loop.call_later(max(0.0, seconds), _ring, waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
            self._waiting.discard(waiter)

    async def until(self, condition: Callable[[Reply], bool], seconds: float) -> bool:
        """Waits for the reply to meet the condition; whether it did in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition(self.reply):
            left = deadline - loop.time()
            if left <= 0:
                return False
            await self.news(left)
        return True

    async def begun(self, seconds: float) -> bool:
        """Whether the model has said something, or all is over, within `seconds`."""
        return await self.until(lambda reply: reply.state is not ReplyState.ASKED, seconds)

    def stop(self) -> None:
        """End it on a user's behalf: the upstream is closed, what was said is kept."""
        if not self.settling:
            self.stopping = True
        self.give_up()

    def give_up(self) -> None:
        """End it for reasons of our own; what was said is kept."""
        if self.settling or self.task is None:
            return
        if not self.started:  # cancelled before its first step, it would never settle
            asyncio.get_running_loop().call_soon(self.give_up)
            return
        self.settling = True
        self.task.cancel()


def _ring(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


@dataclass(eq=False, slots=True)
class Reader:
    """One follower of a reply, with its own place in the log. Use as a context manager."""

    running: RunningReply
    seen: int = 0

    def __enter__(self) -> "Reader":
        self.running.readers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.running.readers -= 1

    async def next(self, seconds: float) -> tuple[int, list[bytes]]:
        """The number of the first unseen event, and all events from there on; none when nothing happened
        for `seconds`, or when everything has been read."""
        log = self.running.reply.log
        if self.seen == len(log) and not self.finished:
            await self.running.news(seconds)
        first, fresh = self.seen + 1, log[self.seen :]
        self.seen = len(log)
        return first, fresh

    @property
    def finished(self) -> bool:
        """Whether the reply has ended and every event was read."""
        return self.running.reply.ended and self.seen == len(self.running.reply.log)
