"""What workers share about running replies, in memory: any number of workers, which may die."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from application.ports.replies import Batch, ReplyLogs, Run, Runs, SessionBusy
from domain.conversation import MessageId, SessionId
from domain.errors import StorageUnavailable


@dataclass(eq=False)
class FakeCluster:
    """The workers and what they share. `down`: nobody reaches it; `flush`: all of it is forgotten; `latency`:
    how long each request is under way, `asking` how many are."""

    runs: dict[SessionId, Run] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    fence: int = 0
    down: bool = False
    latency: float = 0.0
    asking: int = 0

    def worker(self, name: str) -> "FakeRuns":
        self.alive.add(name)
        return FakeRuns(self, name)

    def die(self, worker: str) -> None:
        self.alive.discard(worker)

    def flush(self) -> None:
        self.runs.clear()

    async def reach(self) -> None:
        self.asking += 1
        await asyncio.sleep(self.latency)
        self.asking -= 1
        if self.down:
            raise StorageUnavailable


@dataclass(frozen=True, slots=True)
class FakeRuns(Runs):
    cluster: FakeCluster
    worker: str

    @override
    async def claim(self, session: SessionId) -> tuple[Run, Run | None]:
        await self.cluster.reach()
        held = self.cluster.runs.get(session)
        if held is not None and held.worker in self.cluster.alive:
            raise SessionBusy(held)
        self.cluster.fence += 1
        run = Run(session, self.worker, self.cluster.fence)
        self.cluster.runs[session] = run
        return run, held

    @override
    async def bind(self, run: Run, message: MessageId) -> Run:
        await self.cluster.reach()
        bound = replace(run, message=message)
        if self._is_ours(run):
            self.cluster.runs[run.session] = bound
        return bound

    @override
    async def holds(self, run: Run) -> bool:
        await self.cluster.reach()
        self.cluster.runs.setdefault(run.session, run)
        return self._is_ours(run)

    @override
    async def release(self, run: Run) -> None:
        await self.cluster.reach()
        if self._is_ours(run):
            del self.cluster.runs[run.session]

    @override
    async def of(self, session: SessionId) -> tuple[Run, bool] | None:
        await self.cluster.reach()
        held = self.cluster.runs.get(session)
        return None if held is None else (held, held.worker in self.cluster.alive)

    def _is_ours(self, run: Run) -> bool:
        held = self.cluster.runs.get(run.session)
        return held is not None and held.fence == run.fence


@dataclass(eq=False)
class FakeReplyLogs(ReplyLogs):
    """The copies of replies; `appends` counts round trips."""

    kept: dict[MessageId, list[tuple[int, bytes]]] = field(default_factory=dict)
    expiring: set[MessageId] = field(default_factory=set)
    appends: int = 0
    down: bool = False

    @override
    async def append(self, batches: Sequence[Batch]) -> None:
        self._reachable()
        self.appends += 1
        for batch in batches:
            self.kept.setdefault(batch.message, []).extend(enumerate(batch.events, batch.first))

    @override
    async def read(self, message: MessageId, after: int = 0) -> Sequence[bytes]:
        self._reachable()
        events: list[bytes] = []
        for n, event in self.kept.get(message, []):
            if n > after:
                events.append(event)
                after = n
        return events

    @override
    async def expire(self, message: MessageId) -> None:
        self._reachable()
        self.expiring.add(message)

    @override
    async def forget(self, messages: Sequence[MessageId]) -> int:
        self._reachable()
        return sum(self.kept.pop(message, None) is not None for message in set(messages))

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
