"""Whatever happens in whatever order, the books are right and nothing runs that should not."""

from collections import Counter
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from adapters.avatar_manager.roster import IDLE_S, Avatar, End, Full, Launch, NotOn, Process, Roster

LOOKS = {"ada": "ada", "bruno": "bruno", "mei": "mei", "usual": "ada", "other": "bruno"}
names = st.sampled_from(sorted(LOOKS))


class Manager(RuleBasedStateMachine):
    """`alive` is what really runs: launched, and not seen to die since."""

    @initialize(limit=st.integers(1, 4), warm=st.sampled_from([None, 0.0, 10.0]))
    def begin(self, limit: int, warm: float | None) -> None:
        self.now = 0.0
        self.roster = Roster(looks=LOOKS, limit=limit, warm_at=warm)
        self.alive: dict[int, Process] = {}
        self.viewers: Counter[Avatar] = Counter()  # as those who started them count
        self.act()

    @rule(name=names)
    def start(self, name: str) -> None:
        full = name not in self.roster.on and len(self.roster.on) == self.roster.limit
        try:
            avatar = self.roster.start(name, f"{name}_user_1", self.now)
        except Full:
            assert full
            return
        assert not full
        self.viewers[avatar] += 1
        assert avatar.connections == self.viewers[avatar]
        self.act()

    @rule(name=names)
    def disconnect(self, name: str) -> None:
        avatar = self.roster.on.get(name)
        try:
            self.roster.disconnect(name, self.now)
        except NotOn:
            assert avatar is None
            return
        assert avatar is not None
        self.viewers[avatar] -= 1
        self.act()

    @rule(name=names)
    def two_changes_at_once(self, name: str) -> None:
        """Before anybody could act on the first."""
        if name in self.roster.on:
            self.viewers[self.roster.on[name]] -= 1
            self.roster.disconnect(name, self.now)
        if len(self.roster.on) < self.roster.limit or name in self.roster.on:
            self.viewers[self.roster.start(name, f"{name}_user_2", self.now)] += 1
        self.act()

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def come_up(self, data: st.DataObject) -> None:
        self.roster.came_up(data.draw(st.sampled_from(list(self.alive.values()))))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        process = self.alive.pop(data.draw(st.sampled_from(sorted(self.alive))))
        self.roster.died(process, self.now)
        self.act()

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def be_watched(self, data: st.DataObject) -> None:
        self.roster.watched(data.draw(st.sampled_from(list(self.alive.values()))), self.now)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 40.0, IDLE_S]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.act()

    @rule()
    def somebody_looks_at_the_catalogue(self) -> None:
        self.roster.expected(self.now)
        self.act()

    def act(self) -> None:
        steps = self.roster.plan(self.now)
        owned = {avatar.process for avatar in self.roster.on.values()}
        for step in steps:
            if isinstance(step, Launch):
                assert step.process.number not in self.alive
                self.alive[step.process.number] = step.process
            elif isinstance(step, End):
                assert step.process not in owned
                assert step.process.number in self.alive
        assert self.roster.plan(self.now) == []

    @invariant()
    def no_more_runs_than_may(self) -> None:
        assert len(self.roster.on) <= self.roster.limit
        assert len(self.alive) <= self.roster.limit
        assert self.roster.processes == self.alive

    @invariant()
    def every_viewer_is_counted_once(self) -> None:
        for avatar in self.roster.on.values():
            assert avatar.connections == self.viewers[avatar] > 0

    @invariant()
    def every_process_has_one_purpose(self) -> None:
        owned = [avatar.process for avatar in self.roster.on.values() if avatar.process]
        assert len(set(owned)) == len(owned)
        for avatar in self.roster.on.values():
            if avatar.process:
                assert avatar.process.look == avatar.look
                assert not avatar.process.ending
        spare = [each for each in self.alive.values() if each not in owned and not each.ending]
        assert len(spare) <= (0 if self.roster.on else 1)

    @override
    def teardown(self) -> None:
        """Once nothing happens any more, everything that is on is ready, and nothing else runs."""
        for _ in range(20):
            for process in list(self.alive.values()):
                if process.ending:
                    self.roster.died(self.alive.pop(process.number), self.now)
                else:
                    self.roster.came_up(process)
                    self.roster.watched(process, self.now)
            self.act()
            due = self.roster.next_due(self.now)
            if due is not None and due - self.now < IDLE_S / 2:
                self.now = due
                self.act()
        assert all(avatar.is_ready for avatar in self.roster.on.values())
        if not self.roster.on:
            assert not self.alive


TestManager = Manager.TestCase
TestManager.settings = settings(max_examples=150, stateful_step_count=40, deadline=timedelta(seconds=5))
