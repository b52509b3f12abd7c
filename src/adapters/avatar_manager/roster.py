"""Who is on: which avatars run for how many viewers, in which processes, and what to launch or end next. No
input or output here: events go in with the time they happened, `plan` says what to do."""

import math
from dataclasses import dataclass, field

IDLE_S = 1800.0  # nobody has started it for so long, and nobody watches
SETTLED_S = 30.0  # a process that lived so long did not die of its birth
DELAYS = (0.0, 0.5, 1.0)  # seconds before a restart; after one more death in a row it is given up
CALM_S = 3.0  # after the last avatar went, before the next one is kept warm
WARM_RETRY_S = 30.0
WARM_FOR_S = 600.0  # nobody has expected one for so long: then none is kept warm either


class Full(Exception):
    """As many avatars run as may."""


class UnknownAvatar(Exception):
    """There is no such name."""


class NotOn(Exception):
    """That avatar does not run."""


@dataclass(eq=False, slots=True)
class Process:
    """One run of an avatar instance, from its launch until it was seen to be gone."""

    number: int
    look: str
    launched_at: float
    ready: bool = False
    taken: bool = False  # by an avatar, once: what it was is nothing to be kept warm
    ending: bool = False
    unfit: str = ""  # why no other would fare better


@dataclass(eq=False, slots=True)
class Avatar:
    """A name somebody has started. Its process may be loading, running, or about to be replaced."""

    name: str
    look: str
    instance_id: str  # as the first who started it called it
    asked_at: float
    connections: int = 0
    process: Process | None = None
    deaths: int = 0  # in a row
    due: float = 0.0  # for the next process
    unfit: str = ""  # why it was given up, where that is known

    @property
    def is_ready(self) -> bool:
        return self.process is not None and self.process.ready


@dataclass(frozen=True, slots=True)
class Launch:
    process: Process


@dataclass(frozen=True, slots=True)
class End:
    process: Process
    at_once: bool  # nobody watches: no need to be polite


Step = Launch | End


@dataclass(eq=False, slots=True, kw_only=True)
class Roster:
    """At most `limit` avatars run, in at most `limit` processes, those that are still ending included.

    While none runs but one is expected, a process is kept warm with the look that was used last. Beside a
    running avatar there is none: it would cost its memory, and its start the time of the one that talks.
    """

    looks: dict[str, str]  # avatar name -> the look it is drawn with
    limit: int
    warm_at: float | None  # when to warm up if nobody has expected one before; None: never
    favourite: str = ""  # the look to keep warm
    on: dict[str, Avatar] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    warm_until: float = 0.0
    warm_deaths: int = 0
    launches: int = 0

    def __post_init__(self) -> None:
        self.favourite = self.favourite or next(iter(self.looks.values()))
        if self.warm_at is not None:
            self.warm_until = self.warm_at + WARM_FOR_S

    def start(self, name: str, instance_id: str, now: float) -> Avatar:
        """One viewer more. Raises UnknownAvatar or Full."""
        if name not in self.looks:
            raise UnknownAvatar
        if name not in self.on and len(self.on) >= self.limit:
            raise Full
        avatar = self.on.setdefault(name, Avatar(name, self.looks[name], instance_id, now))
        avatar.connections += 1
        avatar.asked_at = now
        self.favourite = avatar.look
        return avatar

    def disconnect(self, name: str, now: float) -> Avatar:
        """One viewer less; without any the avatar is off. Raises NotOn."""
        if name not in self.on:
            raise NotOn
        avatar = self.on[name]
        avatar.connections -= 1
        if not avatar.connections:
            self._off(avatar, now)
        return avatar

    def withdraw(self, avatar: Avatar, now: float) -> None:
        """A start that came to nothing: as if that viewer had not come."""
        if self.is_on(avatar):
            self.disconnect(avatar.name, now)

    def is_on(self, avatar: Avatar) -> bool:
        """Whether it is still the same run of that name."""
        return self.on.get(avatar.name) is avatar

    def expected(self, now: float) -> None:
        """Somebody looks at the avatars and may soon want one."""
        if self.warm_at is None:
            return
        self.warm_until = now + WARM_FOR_S
        if not self.warm_deaths:  # else that is when to try again
            self.warm_at = min(self.warm_at, now)

    def watched(self, process: Process, now: float) -> None:
        """Somebody is connected there."""
        for avatar in self.on.values():
            if avatar.process is process:
                avatar.asked_at = now

    def came_up(self, process: Process) -> None:
        process.ready = True

    def died(self, process: Process, now: float) -> None:
        """It is gone, whether it was told to go or not."""
        del self.processes[process.number]
        avatar = next((each for each in self.on.values() if each.process is process), None)
        early = not process.ready or now - process.launched_at < SETTLED_S
        if avatar:
            avatar.process = None
            avatar.deaths = avatar.deaths + 1 if early else 1
            avatar.unfit = process.unfit
            if process.unfit or avatar.deaths > len(DELAYS):
                self._off(avatar, now)
                self.warm_until = now  # a spare one would fare no better
            else:
                avatar.due = now + DELAYS[avatar.deaths - 1]
        elif not process.ending and self.warm_at is not None:
            self.warm_deaths = self.warm_deaths + 1 if early else 1
            self.warm_at = now + WARM_RETRY_S * min(self.warm_deaths, len(DELAYS))
            if process.unfit or self.warm_deaths > len(DELAYS):
                self.warm_until = now  # given up, until one is expected again

    def plan(self, now: float) -> list[Step]:
        """What to do now. The steps count as taken: asked again at the same time, there is nothing more."""
        for avatar in [each for each in self.on.values() if now - each.asked_at >= IDLE_S]:
            self._off(avatar, now)
        owned = {avatar.process for avatar in self.on.values()}
        others = [each for each in self.processes.values() if each not in owned and not each.ending]
        steps: list[Step] = [self._ended(each) for each in others if each.taken]
        spare = next((each for each in others if not each.taken), None)
        for avatar in self.on.values():
            if avatar.process is None and avatar.due <= now:
                if spare and spare.look == avatar.look:
                    avatar.process, spare = spare, None
                    avatar.process.taken = True
                elif len(self.processes) < self.limit:
                    steps.append(self._launched(avatar.look, now, avatar))
        if spare and (self.on or now >= self.warm_until):
            steps.append(self._ended(spare))
        elif not (spare or self.on) and self._may_warm(now):
            steps.append(self._launched(self.favourite, now))
        return steps

    def next_due(self, now: float) -> float | None:
        """When there may be something to do though nothing happens."""
        times = [avatar.due for avatar in self.on.values() if not avatar.process and avatar.due > now]
        times += [avatar.asked_at + IDLE_S for avatar in self.on.values()]
        if self.warm_at is not None and not self.on:
            times += [at for at in (self.warm_at, self.warm_until) if now < at <= self.warm_until]
        return min((at for at in times if at < math.inf), default=None)

    def _may_warm(self, now: float) -> bool:
        if self.warm_at is None or len(self.processes) >= self.limit:
            return False
        return self.warm_at <= now < self.warm_until

    def _launched(self, look: str, now: float, owner: Avatar | None = None) -> Launch:
        self.launches += 1
        process = Process(self.launches, look, now, taken=owner is not None)
        self.processes[process.number] = process
        if owner:
            owner.process = process
        return Launch(process)

    def _ended(self, process: Process) -> End:
        process.ending = True
        return End(process, at_once=not process.taken)

    def _off(self, avatar: Avatar, now: float) -> None:
        del self.on[avatar.name]
        if not self.on and self.warm_at is not None:
            self.warm_at = now + CALM_S
            self.warm_until = self.warm_at + WARM_FOR_S
