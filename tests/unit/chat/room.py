"""A chat on fakes: one database, one shared state, any number of workers."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from application import tasks
from application.avatars.confirm import ConfirmLease
from application.chat import events
from application.chat.ask import Ask, Asked
from application.chat.ask_once import AskOnce
from application.chat.audience import Audience
from application.chat.delete_session import DeleteSession
from application.chat.edit import EditQuestion
from application.chat.elsewhere import Elsewhere
from application.chat.engine import Answers, Question, Replies
from application.chat.feed import Feed, Reader
from application.chat.follow import FollowReply
from application.chat.heed import Heed
from application.chat.regenerate import Regenerate
from application.chat.running import RunningReply
from application.chat.settle import SettleAbandoned, SettleReply
from application.chat.stop import StopReply
from application.chat.store_reply import StoreReply
from application.chat.take_turn import TakeTurn
from application.chat.telling import Telling
from application.indexing.watch_files import WatchFiles
from application.jobs.doubt import Doubt
from application.ports.language_model import Prompt
from application.ports.replies import Batch
from application.speech.speaker import Speaker
from application.speech.voices import Voices
from domain.conversation import Message, MessageId, SessionId, Source
from domain.user import UserId
from tests.builders import a_stored_session, a_user, an_open_reply
from tests.fakes.avatar_instances import FakeAvatarInstances
from tests.fakes.avatar_leases import FakeAvatarLeases
from tests.fakes.avatar_pool import FakeAvatarPool
from tests.fakes.calls import FakeCalls
from tests.fakes.clock import FakeClock
from tests.fakes.idempotency import FakeIdempotencyKeys
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.metrics import FakeReplyMetrics
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory, Tables
from tests.fakes.replies import FakeCluster, FakeReplyLogs, FakeRuns
from tests.fakes.speech_floor import FakeSpeechFloor
from tests.fakes.throttle import FakeThrottle
from tests.fakes.wakeup import FakeWakeup

TICK_S = 0.01


@dataclass(eq=False)
class SaysWhatTheModelSays(Answers):
    """Answers without looking anywhere, citing what it is told to. `bug` is raised after the answer; `tells`
    is done with each telling first; `questions` are those that were answered."""

    model: FakeLanguageModel
    cites: Sequence[Source] = ()
    bug: Exception | None = None
    tells: Callable[[Telling], None] | None = None
    questions: list[Question] = field(default_factory=list)

    @override
    async def __call__(self, question: Question, telling: Telling) -> AsyncGenerator[str]:
        self.questions.append(question)
        telling.cite(self.cites)
        if self.tells is not None:
            self.tells(telling)
        return self._answered(question)

    async def _answered(self, question: Question) -> AsyncGenerator[str]:
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
    asking: Ask
    ask_once: AskOnce
    regenerate: Regenerate
    edit_question: EditQuestion
    follow: FollowReply
    elsewhere: Elsewhere
    stop_reply: StopReply
    heed: Heed

    async def ask(
        self,
        user: UserId,
        text: str | None,
        session: SessionId | None = None,
        use_documents: bool | None = None,
    ) -> RunningReply:
        return await self.asking(Asked(user=user, text=text, session=session, use_documents=use_documents))


@dataclass(eq=False)
class Room:
    """`worker()` adds a process; the model, the database and the shared state belong to all of them."""

    clock: FakeClock = field(default_factory=FakeClock)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    logs: FakeReplyLogs = field(default_factory=FakeReplyLogs)
    calls: FakeCalls = field(default_factory=FakeCalls)
    keys: FakeIdempotencyKeys = field(default_factory=FakeIdempotencyKeys)
    metrics: FakeReplyMetrics = field(default_factory=FakeReplyMetrics)
    model: FakeLanguageModel = field(default_factory=FakeLanguageModel)
    per_minute: int = 0
    wait_s: float = 0.3
    detached_s: float = 300.0
    tick_s: float = TICK_S

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)
        self.reading = FakeReading(self.database)
        self.answers = SaysWhatTheModelSays(self.model)
        self.throttle = FakeThrottle(self.clock)
        self.leases = FakeAvatarLeases(clock=self.clock)
        self.instances = FakeAvatarInstances()
        self.floor = FakeSpeechFloor()
        self.pool = FakeAvatarPool()

    def voices(self) -> Voices:
        confirm = ConfirmLease(pool=self.pool, holdings=self.leases, clock=self.clock)
        speaker = Speaker(
            leases=self.leases,
            instances=self.instances,
            confirm=confirm,
            floor=self.floor,
            work=self.work,
            clock=self.clock,
            recovery_s=50 * TICK_S,
            look_s=TICK_S / 5,
            pause_s=0.0,
            watch_s=TICK_S / 5,
        )
        return Voices(speaker)

    def worker(self, name: str = "ours") -> Worker:
        runs = self.cluster.worker(name)
        voices = self.voices()
        store = StoreReply(work=self.work, clock=self.clock, pause_s=0.001)
        replies = Replies(
            self.answers,
            store,
            runs,
            self.logs,
            self.metrics,
            detached_s=self.detached_s,
            tick_s=self.tick_s,
            followed_tick_s=TICK_S / 2,
            look_s=TICK_S,
            accompany=voices.accompany,
        )
        settle = SettleReply(work=self.work, logs=self.logs, clock=self.clock, metrics=self.metrics)
        take_turn = TakeTurn(
            runs=runs,
            replies=replies,
            settle=settle,
            calls=self.calls,
            throttle=self.throttle,
            reading=self.reading,
            hush=voices.hush,
            per_minute=self.per_minute,
            wait_s=self.wait_s,
        )
        ask = Ask(work=self.work, reading=self.reading, take_turn=take_turn, clock=self.clock, max_chars=100)
        elsewhere = Elsewhere(
            logs=self.logs,
            calls=self.calls,
            reading=self.reading,
            poll_s=TICK_S / 2,
            say_s=TICK_S,
            doubt_s=5 * TICK_S,
        )
        follow = FollowReply(
            replies=replies, elsewhere=elsewhere, reading=self.reading, runs=runs, logs=self.logs
        )
        return Worker(
            runs,
            replies,
            settle,
            SettleAbandoned(
                reading=self.reading, runs=runs, replies=replies, settle=settle, dead_s=0, lost_s=0
            ),
            ask,
            AskOnce(ask=ask, follow=follow, keys=self.keys, reading=self.reading, wait_s=self.wait_s),
            Regenerate(work=self.work, reading=self.reading, take_turn=take_turn, clock=self.clock),
            EditQuestion(
                work=self.work,
                reading=self.reading,
                take_turn=take_turn,
                clock=self.clock,
                max_chars=100,
            ),
            follow,
            elsewhere,
            StopReply(
                reading=self.reading,
                replies=replies,
                runs=runs,
                calls=self.calls,
                settle=settle,
                hushed=voices.hushed,
                within_s=self.wait_s,
            ),
            Heed(
                calls=self.calls,
                replies=replies,
                watch_files=WatchFiles(
                    reading=self.reading, audience=Audience(metrics=self.metrics, heartbeat_s=15)
                ),
                doubt=Doubt(),
            ),
        )

    @asynccontextmanager
    async def open_worker(self, name: str = "ours") -> AsyncIterator[Worker]:
        """A worker whose replies are copied, and that hears the others, until it ends."""
        worker = self.worker(name)
        worker.replies.open()
        chores = [asyncio.create_task(do()) for do in (worker.heed.forever, worker.elsewhere.follow)]
        await asyncio.sleep(0)
        try:
            yield worker
        finally:
            worker.elsewhere.close()
            await worker.replies.drain(0)
            await tasks.ended(*chores)

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

    async def abandoned(self, *said: str, session: SessionId | None = None) -> MessageId:
        """A reply in the making whose worker is no more, with the copy it left."""
        if session is None:
            session = await self.session_of(await self.someone(f"u{len(self.tables.users)}@example.org"))
        async with self.work() as w:
            reply = an_open_reply(session)
            w.messages.add(reply)
            await w.commit()
        chunks = [chunk for piece in said for chunk in events.chunks(piece)]
        if chunks:
            await self.logs.append([Batch(reply.id, 1, events.frames(reply.id, 0, *chunks))])
        return reply.id

    async def dead_run(self, message: MessageId) -> None:
        """The run that the dead worker of this reply left behind."""
        runs = self.cluster.worker("dead")
        run, _ = await runs.claim(self.message(message).session_id)
        await runs.bind(run, message)
        self.cluster.die("dead")

    def owner(self, message: MessageId) -> UserId:
        return self.tables.sessions[self.message(message).session_id].owner


async def visit(worker: Worker, user: UserId, message: MessageId, after: int | None = None) -> list[bytes]:
    """What a reader is told who comes with that place and stays to the end."""
    async with worker.follow(user, message, after) as place:
        return await read_on(place.feed, place.after)


async def heard(running: RunningReply, after: int = 0) -> list[bytes]:
    """Everything a reader is told, to the end."""
    return await read_on(running.feed, after)


async def read_on(feed: Feed, after: int = 0) -> list[bytes]:
    """The frames after that place, to the end."""
    told: list[bytes] = []
    async with asyncio.timeout(5):
        with Reader(feed, after) as reader:
            while not reader.finished:
                told += frames_in(await reader.next())
    return told


def frames_in(piece: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in piece.split(b"\n\n")[:-1]]


def told(frames: Sequence[bytes]) -> list[dict[str, Any]]:
    """What these frames say."""
    return [json.loads(frame.split(b"\ndata: ", 1)[1]) for frame in frames]


def numbers(frames: Sequence[bytes]) -> list[int]:
    return [int(frame.split(b"\n", 1)[0].rsplit(b"-", 1)[1]) for frame in frames]


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


def deleting(room: Room, worker: Worker) -> DeleteSession:
    return DeleteSession(
        work=room.work,
        stop=worker.stop_reply,
        runs=worker.runs,
        calls=room.calls,
        logs=room.logs,
        wakeup=FakeWakeup(),
        clock=room.clock,
    )
