import math

import pytest

from adapters.avatar_manager.roster import (
    CALM_S,
    DELAYS,
    IDLE_S,
    SETTLED_S,
    WARM_FOR_S,
    WARM_RETRY_S,
    End,
    Full,
    Launch,
    NotOn,
    Process,
    Roster,
    UnknownAvatar,
)

LOOKS = {"ada": "ada", "bruno": "bruno", "mei": "mei", "usual": "ada"}


class Stage:
    """A roster whose steps are carried out at once, and its clock."""

    def __init__(self, limit: int = 4, warm_at: float | None = None) -> None:
        self.roster = Roster(looks=LOOKS, limit=limit, warm_at=warm_at)
        self.now = 100.0
        self.ended: list[Process] = []

    def start(self, name: str, user: int = 1) -> int:
        avatar = self.roster.start(name, f"{name}_user_{user}", self.now)
        self.act()
        return avatar.connections

    def disconnect(self, name: str) -> int:
        avatar = self.roster.disconnect(name, self.now)
        self.act()
        return avatar.connections

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.act()

    def crash(self, process: Process) -> None:
        self.roster.died(process, self.now)
        self.act()

    def act(self) -> None:
        while steps := self.roster.plan(self.now):
            for step in steps:
                if isinstance(step, Launch):
                    self.roster.came_up(step.process)
                else:
                    self.ended.append(step.process)
                    self.roster.died(step.process, self.now)

    def process(self, name: str) -> Process:
        process = self.roster.on[name].process
        assert process is not None
        return process

    @property
    def looks(self) -> list[str]:
        return sorted(process.look for process in self.roster.processes.values())


def test_viewers_of_one_name_share_a_process_that_ends_with_the_last_of_them() -> None:
    stage = Stage()

    assert [stage.start("ada", 1), stage.start("ada", 2)] == [1, 2]
    assert stage.looks == ["ada"]
    assert stage.roster.on["ada"].instance_id == "ada_user_1"

    assert [stage.disconnect("ada"), stage.looks] == [1, ["ada"]]
    assert [stage.disconnect("ada"), stage.looks] == [0, []]
    with pytest.raises(NotOn):
        stage.disconnect("ada")


def test_two_names_of_one_look_are_two_avatars() -> None:
    stage = Stage()

    stage.start("ada")
    stage.start("usual")

    assert stage.looks == ["ada", "ada"]
    assert stage.process("ada") is not stage.process("usual")


def test_more_than_the_limit_is_refused_and_more_viewers_of_what_runs_are_not() -> None:
    stage = Stage(limit=2)
    stage.start("ada")
    stage.start("bruno")

    with pytest.raises(Full):
        stage.start("mei")

    assert stage.start("ada", 2) == 2
    stage.disconnect("bruno")
    assert stage.start("mei") == 1


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownAvatar):
        Stage().start("nobody")


def test_a_process_that_is_still_ending_takes_its_place_until_it_is_gone() -> None:
    roster = Roster(looks=LOOKS, limit=1, warm_at=None)
    roster.start("ada", "ada_user_1", 0)
    (launch,) = roster.plan(0)
    assert isinstance(launch, Launch)
    roster.disconnect("ada", 1)
    roster.start("bruno", "bruno_user_1", 1)

    assert roster.plan(1) == [End(launch.process, at_once=False)]
    assert roster.plan(2) == []
    roster.died(launch.process, 3)
    (second,) = roster.plan(3)
    assert isinstance(second, Launch)
    assert second.process.look == "bruno"


def test_a_name_that_comes_back_while_it_ends_gets_a_fresh_process() -> None:
    roster = Roster(looks=LOOKS, limit=2, warm_at=None)
    roster.start("ada", "ada_user_1", 0)
    (first,) = roster.plan(0)
    roster.disconnect("ada", 1)
    roster.start("ada", "ada_user_2", 1)

    steps = roster.plan(1)

    assert steps[0] == End(first.process, at_once=False)
    assert isinstance(steps[1], Launch)
    assert steps[1].process is not first.process


def test_one_is_kept_warm_for_whoever_comes_first() -> None:
    stage = Stage(warm_at=105)
    stage.act()
    assert stage.looks == []
    assert stage.roster.next_due(stage.now) == 105

    stage.pass_(5)
    assert stage.looks == ["ada"]
    (warm,) = stage.roster.processes.values()

    stage.start("usual")
    assert stage.process("usual") is warm
    assert stage.looks == ["ada"]  # beside a running avatar there is none


def test_who_looks_at_the_catalogue_need_not_wait_for_it() -> None:
    stage = Stage(warm_at=1000)
    stage.roster.expected(stage.now)
    stage.act()

    assert stage.looks == ["ada"]


def test_without_a_time_to_warm_up_none_is_kept() -> None:
    stage = Stage(warm_at=None)
    stage.roster.expected(stage.now)
    stage.pass_(3600)

    assert (stage.looks, stage.roster.next_due(stage.now)) == ([], None)


def test_another_look_takes_the_place_of_the_warm_one() -> None:
    stage = Stage(limit=1, warm_at=0)
    stage.act()
    (warm,) = stage.roster.processes.values()

    stage.start("bruno")

    assert (stage.looks, stage.ended) == (["bruno"], [warm])


def test_after_the_last_avatar_went_its_look_is_kept_warm() -> None:
    stage = Stage(warm_at=0)
    stage.start("mei")
    stage.disconnect("mei")
    assert stage.looks == []

    stage.pass_(CALM_S)
    assert stage.looks == ["mei"]


def test_a_crashed_process_is_replaced_at_once_and_its_viewers_still_count() -> None:
    stage = Stage()
    stage.start("ada", 1)
    stage.start("ada", 2)
    crashed = stage.process("ada")
    stage.pass_(SETTLED_S)

    stage.crash(crashed)

    assert stage.process("ada") is not crashed
    assert stage.roster.on["ada"].connections == 2


def test_one_that_keeps_dying_is_tried_more_slowly_and_then_given_up() -> None:
    stage = Stage()
    stage.start("ada")
    for delay in DELAYS:
        stage.crash(stage.process("ada"))
        if delay:
            assert stage.looks == []
            assert stage.roster.next_due(stage.now) == stage.now + delay
            stage.pass_(delay)
        assert stage.looks == ["ada"]

    stage.crash(stage.process("ada"))

    assert (stage.roster.on, stage.looks) == ({}, [])
    assert stage.start("ada") == 1  # who asks anew gets a new chance


def test_deaths_that_lie_far_apart_are_not_counted_together() -> None:
    stage = Stage()
    stage.start("ada")
    for _ in range(10):
        stage.pass_(SETTLED_S)
        stage.crash(stage.process("ada"))

    assert stage.looks == ["ada"]


def test_a_warm_one_that_dies_is_tried_again_more_slowly() -> None:
    stage = Stage(warm_at=0)
    stage.act()
    for n in (1, 2, 3):
        (warm,) = stage.roster.processes.values()
        stage.crash(warm)
        assert stage.looks == []
        assert stage.roster.next_due(stage.now) == stage.now + n * WARM_RETRY_S
        stage.pass_(n * WARM_RETRY_S)
        assert stage.looks == ["ada"]


def test_a_warm_one_that_keeps_dying_is_given_up_until_one_is_expected_again() -> None:
    stage = Stage(warm_at=0)
    stage.act()
    for n in range(len(DELAYS)):
        stage.crash(*stage.roster.processes.values())
        stage.pass_((n + 1) * WARM_RETRY_S)
    stage.crash(*stage.roster.processes.values())
    stage.pass_(WARM_RETRY_S * 100)
    assert (stage.looks, stage.roster.next_due(stage.now)) == ([], None)

    stage.roster.expected(stage.now)
    stage.act()
    assert stage.looks == ["ada"]
    stage.crash(*stage.roster.processes.values())
    for _ in range(10):  # however often somebody looks, not at once
        stage.roster.expected(stage.now)
        stage.pass_(1)
    assert stage.looks == []


def test_one_that_can_be_no_better_is_given_up_at_once_and_its_reason_kept() -> None:
    stage = Stage(warm_at=0)
    avatar = stage.roster.start("ada", "ada_user_1", stage.now)
    stage.act()
    stage.process("ada").unfit = "no voice"
    stage.crash(stage.process("ada"))

    assert (stage.roster.on, avatar.unfit) == ({}, "no voice")
    stage.pass_(CALM_S)
    assert stage.looks == []  # nor is one kept warm

    stage.roster.expected(stage.now)
    stage.act()
    (warm,) = stage.roster.processes.values()
    warm.unfit = "no voice"
    stage.crash(warm)
    stage.pass_(WARM_RETRY_S * 100)
    assert stage.looks == []


def test_a_warm_one_that_nobody_expects_any_more_is_let_go() -> None:
    stage = Stage(warm_at=math.inf)
    stage.pass_(3600)
    assert (stage.looks, stage.roster.next_due(stage.now)) == ([], None)

    stage.roster.expected(stage.now)
    stage.act()
    stage.pass_(WARM_FOR_S - 1)
    stage.roster.expected(stage.now)
    stage.pass_(WARM_FOR_S - 1)
    assert stage.looks == ["ada"]
    assert stage.roster.next_due(stage.now) == stage.now + 1
    stage.pass_(1)
    assert (stage.looks, stage.roster.next_due(stage.now)) == ([], None)

    stage.start("mei")
    stage.disconnect("mei")
    stage.pass_(CALM_S)
    assert stage.looks == ["mei"]
    stage.pass_(WARM_FOR_S)
    assert stage.looks == []


def test_what_nobody_starts_or_watches_any_more_is_ended() -> None:
    stage = Stage()
    stage.start("ada")
    stage.start("bruno")
    stage.pass_(IDLE_S - 1)
    stage.roster.watched(stage.process("bruno"), stage.now)
    assert stage.roster.next_due(stage.now) == stage.now + 1

    stage.pass_(1)
    assert stage.looks == ["bruno"]
    stage.pass_(IDLE_S)
    assert stage.looks == []


def test_a_start_keeps_it_on_and_a_withdrawn_one_does_not_count() -> None:
    stage = Stage()
    stage.start("ada")
    stage.pass_(IDLE_S - 1)
    again = stage.roster.start("ada", "ada_user_2", stage.now)
    stage.roster.withdraw(again, stage.now)
    stage.pass_(IDLE_S - 1)

    assert stage.roster.on["ada"].connections == 1
    old = stage.roster.on["ada"]
    stage.disconnect("ada")
    stage.roster.withdraw(old, stage.now)  # it is off already
    stage.start("ada")
    stage.roster.withdraw(old, stage.now)  # and what is on now is another
    assert stage.roster.on["ada"].connections == 1
