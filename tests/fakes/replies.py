"""What workers share about running replies, in memory: any number of workers, which may die."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
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
        held = self.cluster.runs.get(run.session)
        if held is not None and held.fence != run.fence:
            raise SessionBusy(held)
        self.cluster.runs[run.session] = bound
        return bound

    @override
    async def lost(self, runs: Sequence[Run]) -> Sequence[Run]:
        await self.cluster.reach()
        for run in runs:
            self.cluster.runs.setdefault(run.session, run)
        return [run for run in runs if not self._is_ours(run)]

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

    @override
    async def of_all(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, tuple[Run, bool]]:
        await self.cluster.reach()
        held = {session: self.cluster.runs[session] for session in sessions if session in self.cluster.runs}
        return {session: (run, run.worker in self.cluster.alive) for session, run in held.items()}

    def _is_ours(self, run: Run) -> bool:
        held = self.cluster.runs.get(run.session)
        return held is not None and held.fence == run.fence


@dataclass(eq=False)
class FakeReplyLogs(ReplyLogs):
    """The copies of replies; `appends` counts round trips."""

    kept: dict[MessageId, list[bytes]] = field(default_factory=dict)
    expiring: set[MessageId] = field(default_factory=set)
    ended: set[MessageId] = field(default_factory=set)
    ends: set[tuple[MessageId, int]] = field(default_factory=set)
    appends: int = 0
    down: bool = False

    @override
    async def append(self, batches: Sequence[Batch]) -> Collection[MessageId]:
        self._reachable()
        self.appends += 1
        gone: set[MessageId] = set()
        for batch in batches:
            if batch.first > 1 and batch.message not in self.kept:
                gone.add(batch.message)
                continue
            log = self.kept.setdefault(batch.message, [])
            if batch.message not in self.ended and batch.first <= len(log) + 1:
                log += batch.frames[len(log) + 1 - batch.first :]
            if batch.ends:
                self.ended.add(batch.message)
        return gone

    @override
    async def read(self, message: MessageId, after: int = 0) -> Sequence[bytes]:
        self._reachable()
        return self.kept.get(message, [])[after:]

    @override
    async def news(self, seen: Mapping[MessageId, int]) -> Mapping[MessageId, Sequence[bytes]]:
        self._reachable()
        found = {message: self.kept.get(message, [])[after:] for message, after in seen.items()}
        return {message: fresh for message, fresh in found.items() if fresh}

    @override
    async def expire(self, message: MessageId) -> None:
        self._reachable()
        self.expiring.add(message)

    @override
    async def tell_end(self, message: MessageId, n: int) -> None:
        self._reachable()
        self.ends.add((message, n))

    @override
    async def end_was_told(self, message: MessageId, n: int) -> bool:
        self._reachable()
        return (message, n) in self.ends

    @override
    async def forget(self, messages: Sequence[MessageId]) -> int:
        self._reachable()
        self.ended.difference_update(messages)
        self.ends = {(message, n) for message, n in self.ends if message not in messages}
        return sum(self.kept.pop(message, None) is not None for message in set(messages))

    def flush(self) -> None:
        """Everything is forgotten."""
        self.kept.clear()
        self.ended.clear()
        self.ends.clear()

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
