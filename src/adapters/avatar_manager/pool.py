"""The processes behind the avatars: launched, awaited, watched and ended as the roster says."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from adapters.avatar_manager.roster import Avatar, End, Launch, Process, Roster

FROZEN_LOOKS = 4  # so many without an answer, and it is replaced
LOAD_POLL_S, POLL_S = 0.05, 0.02
# The exit status of an instance that lacks what it needs; it has said in the log what that is.
UNFIT = 78
LACKING = "what its voice needs is missing or damaged; the log of the avatars says what"

log = logging.getLogger(__name__)


class StartFailed(Exception):
    """The avatar does not come up, or was ended while it did."""


class Instance(Protocol):
    """A running avatar instance: a child of ours that cannot outlive us."""

    @property
    def pid(self) -> int: ...

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether it has ended with everything it started."""
        ...

    def ask_to_stop(self) -> None: ...

    def kill(self) -> None:
        """End it and everything it started, at once."""
        ...


@dataclass(frozen=True, slots=True)
class Info:
    """An avatar that is on, as others are told of it: with the last process while the next one is loading."""

    avatar: Avatar
    connections: int
    pid: int
    port: int
    started_at: float  # by the wall clock


@dataclass(eq=False, slots=True)
class Run:
    """An instance behind a process of the roster."""

    process: Process
    instance: Instance
    port: int
    started_at: float = field(default_factory=time.time)
    watch: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Pool:
    """`attend` must run for anything to happen; `look` is to be called when a child may have ended."""

    roster: Roster
    launch: Callable[[str], tuple[Instance, int]]  # what draws this look, and its port
    sessions: Callable[[int], Awaitable[int | None]]  # how many watch at that port; None: no good answer
    start_s: float = 50.0  # a caller gives up after 60
    load_s: float = 40.0  # from the launch to the first good answer
    look_s: float = 5.0  # between two looks at one that runs
    grace_s: float = 1.0  # between being asked to end and being killed
    _runs: dict[int, Run] = field(default_factory=dict, init=False)
    _last: dict[str, tuple[Avatar, Run]] = field(default_factory=dict, init=False)  # by name
    _news: asyncio.Condition = field(default_factory=asyncio.Condition, init=False)
    _look: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _ends: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def start(self, name: str, instance_id: str) -> Info:
        """Returns when it can be watched. Raises UnknownAvatar, Full or StartFailed. That the caller has left
        changes nothing: the viewer counts until disconnected."""
        avatar = self.roster.start(name, instance_id, time.monotonic())
        connections = avatar.connections
        self.look()
        try:
            async with asyncio.timeout(self.start_s), self._news:
                await self._news.wait_for(lambda: avatar.is_ready or not self.roster.is_on(avatar))
        except TimeoutError:
            self.roster.withdraw(avatar, time.monotonic())
            self.look()
            raise StartFailed(f"Avatar '{name}' does not answer") from None
        info = self._info(avatar, connections) if self.roster.is_on(avatar) else None
        if info is None:
            why = f": {avatar.unfit}" if avatar.unfit else ""
            raise StartFailed(f"Avatar '{name}' could not be started{why}")
        return info

    async def disconnect(self, name: str) -> int:
        """How many viewers are left; with none, its process has ended. Raises NotOn."""
        avatar = self.roster.disconnect(name, time.monotonic())
        self.look()
        if not avatar.connections and (process := avatar.process):
            async with self._news:
                await self._news.wait_for(lambda: process.number not in self.roster.processes)
        return avatar.connections

    def on(self) -> list[Info]:
        infos = (self._info(avatar, avatar.connections) for avatar in self.roster.on.values())
        return [info for info in infos if info]

    def expected(self) -> None:
        """Somebody looks at the catalogue."""
        self.roster.expected(time.monotonic())
        self.look()

    def look(self) -> None:
        """Have `attend` take notice."""
        self._look.set()

    async def attend(self) -> None:
        """Do what the roster says, for ever; at the end nothing runs any more."""
        try:
            while True:
                self._bury()
                for step in self.roster.plan(time.monotonic()):
                    self._take(step)
                async with self._news:
                    self._news.notify_all()
                await self._pause()
        finally:
            await self._end_all()

    async def _pause(self) -> None:
        now = time.monotonic()
        due = self.roster.next_due(now)
        try:
            async with asyncio.timeout(None if due is None else max(due - now, POLL_S)):
                await self._look.wait()
        except TimeoutError:
            return
        self._look.clear()

    def _take(self, step: Launch | End) -> None:
        if isinstance(step, Launch):
            self._launch(step.process)
        elif run := self._runs.get(step.process.number):
            task = asyncio.create_task(self._end(run, 0.0 if step.at_once else self.grace_s))
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    def _launch(self, process: Process) -> None:
        try:
            instance, port = self.launch(process.look)
        except OSError as error:
            log.error("%s cannot be launched: %s", process.look, error)
            self.roster.died(process, time.monotonic())
            self.look()
            return
        log.info("%s %d: pid %d, port %d", process.look, process.number, instance.pid, port)
        run = self._runs[process.number] = Run(process, instance, port)
        run.watch = asyncio.create_task(self._watch(run))

    def _bury(self) -> None:
        for number, run in list(self._runs.items()):
            code = run.instance.exit_code
            if code is None or (run.process.ending and not run.instance.is_over):
                continue
            run.instance.kill()  # what it may have left behind
            if run.watch:
                run.watch.cancel()
            log.info("%s %d ended with %d", run.process.look, number, code)
            del self._runs[number]
            run.process.unfit = LACKING if code == UNFIT else ""
            self.roster.died(run.process, time.monotonic())

    async def _watch(self, run: Run) -> None:
        """Until it answers, and then as long as it does."""
        silent = 0
        deadline = time.monotonic() + self.load_s
        while await self.sessions(run.port) is None:
            if time.monotonic() > deadline:
                return self._give_up(run, f"does not answer within {self.load_s:.0f} s")
            await asyncio.sleep(LOAD_POLL_S)
        self.roster.came_up(run.process)
        self.look()
        while silent < FROZEN_LOOKS:
            await asyncio.sleep(self.look_s)
            sessions = await self.sessions(run.port)
            silent = silent + 1 if sessions is None else 0
            if sessions:
                self.roster.watched(run.process, time.monotonic())
        self._give_up(run, "does not answer any more")

    def _give_up(self, run: Run, why: str) -> None:
        log.warning("%s %d %s", run.process.look, run.process.number, why)
        run.instance.kill()
        self.look()

    async def _end(self, run: Run, grace: float) -> None:
        instance = run.instance
        if grace:
            instance.ask_to_stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while not instance.is_over:  # noqa: ASYNC110 (nobody tells of the end of what a child started)
                    await asyncio.sleep(POLL_S)
        if not instance.is_over:
            instance.kill()
        self.look()

    async def _end_all(self) -> None:
        for run in self._runs.values():
            if run.watch:
                run.watch.cancel()
        for task in self._ends:
            task.cancel()
        await asyncio.gather(*(self._end(run, self.grace_s) for run in self._runs.values()))
        self._runs.clear()

    def _info(self, avatar: Avatar, connections: int) -> Info | None:
        """None while it has not had a process yet."""
        if avatar.process and (run := self._runs.get(avatar.process.number)):
            self._last[avatar.name] = avatar, run
        owner, run = self._last.get(avatar.name, (None, None))
        if owner is not avatar or run is None:
            return None
        return Info(avatar, connections, run.instance.pid, run.port, run.started_at)
