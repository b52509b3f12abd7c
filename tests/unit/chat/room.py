"""A chat on fakes: one database, one shared state, any number of workers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from application.chat.ask import Ask
from application.chat.engine import Answers, Question, Replies
from application.chat.running import Reader, RunningReply
from application.chat.settle import SettleAbandoned, SettleReply
from application.ports.language_model import Prompt
from domain.conversation import Message, MessageId, SessionId, Source
from domain.user import UserId
from tests.builders import a_stored_session, a_user
from tests.fakes.clock import FakeClock
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.persistence import FakeDatabase, FakeWorkFactory, Tables
from tests.fakes.replies import FakeCluster, FakeReplyLogs, FakeRuns
from tests.fakes.throttle import FakeThrottle

TICK_S = 0.01


@dataclass(eq=False)
class SaysWhatTheModelSays(Answers):
    """Answers without looking anywhere, citing what it is told to. `bug` is raised after the answer."""

    model: FakeLanguageModel
    cites: Sequence[Source] = ()
    bug: Exception | None = None

    @override
    async def __call__(
        self, question: Question, cite: Callable[[Sequence[Source]], None]
    ) -> AsyncGenerator[str]:
        cite(self.cites)
        prompt = Prompt(user=question.user, memory=question.memory, system="", input=question.text)
        stream = self.model.stream(prompt)
        try:
            async for piece in stream:
                yield piece
        finally:
            await stream.aclose()
        if self.bug:
            raise self.bug


@dataclass(eq=False)
class Worker:
    """One server process."""

    runs: FakeRuns
    replies: Replies
    settle: SettleReply
    settle_abandoned: SettleAbandoned
    ask: Ask


@dataclass(eq=False)
class Room:
    """`worker()` adds a process; the model, the database and the shared state belong to all of them."""

    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    logs: FakeReplyLogs = field(default_factory=FakeReplyLogs)
    model: FakeLanguageModel = field(default_factory=FakeLanguageModel)
    per_minute: int = 0
    wait_s: float = 0.3

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)
        self.answers = SaysWhatTheModelSays(self.model)
        self.throttle = FakeThrottle(self.clock)

    def worker(self, name: str = "ours") -> Worker:
        runs = self.cluster.worker(name)
        replies = Replies(
            self.answers, self.work, runs, self.logs, self.clock, tick_s=TICK_S, save_pause_s=0.001
        )
        settle = SettleReply(work=self.work, logs=self.logs, clock=self.clock)
        return Worker(
            runs,
            replies,
            settle,
            SettleAbandoned(work=self.work, runs=runs, replies=replies, settle=settle),
            Ask(
                work=self.work,
                runs=runs,
                replies=replies,
                settle=settle,
                throttle=self.throttle,
                clock=self.clock,
                max_chars=100,
                per_minute=self.per_minute,
                wait_s=self.wait_s,
            ),
        )

    @asynccontextmanager
    async def open_worker(self, name: str = "ours") -> AsyncIterator[Worker]:
        """A worker whose replies are copied, until it ends."""
        worker = self.worker(name)
        worker.replies.open()
        try:
            yield worker
        finally:
            await worker.replies.drain(0)

    @property
    def tables(self) -> Tables:
        return self.database.tables

    def message(self, id: MessageId) -> Message:
        return self.tables.messages[id]

    async def someone(self, email: str = "ann@example.org") -> UserId:
        async with self.work() as w:
            user = a_user(email)
            w.users.add(user)
            await w.commit()
        return user.id

    async def session_of(self, owner: UserId) -> SessionId:
        async with self.work() as w:
            session = await a_stored_session(w, owner)
            await w.commit()
        return session.id


async def heard(running: RunningReply) -> list[bytes]:
    """Everything a reader is told, to the end."""
    events: list[bytes] = []
    with Reader(running) as reader:
        while not reader.finished:
            events += (await reader.next(5))[1]
    return events


async def ended(running: RunningReply) -> RunningReply:
    """Once nothing more happens to it, stored and tidied up."""
    assert running.task is not None
    await asyncio.wait_for(asyncio.wait([running.task]), 5)
    running.task.result()
    return running


async def until(condition: Callable[[], Any], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.001)
