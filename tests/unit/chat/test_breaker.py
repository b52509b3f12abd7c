from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from application.chat.breaker import (
    FAILURES_TO_OPEN,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LONGEST_WISH_S,
    PROBE_S,
    Breaker,
    BreakerState,
    Entry,
)


@dataclass(eq=False)
class Watch:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def entered(breaker: Breaker) -> Entry:
    entry = breaker.enter()
    assert entry is not None
    return entry


def fail(breaker: Breaker, times: int = FAILURES_TO_OPEN) -> None:
    for _ in range(times):
        breaker.failed(entered(breaker))


def test_opens_after_five_failures_in_a_row() -> None:
    breaker = Breaker(Watch())
    fail(breaker, FAILURES_TO_OPEN - 1)
    breaker.answered(entered(breaker))
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 1)
    assert (breaker.state, breaker.enter(), breaker.wait_s()) == (BreakerState.OPEN, None, 5)


def test_pauses_double_up_to_a_minute_and_start_anew_after_an_answer() -> None:
    watch = Watch()
    breaker = Breaker(watch)
    fail(breaker)
    pauses = []
    for _ in range(6):
        pauses.append(breaker.wait_s())
        watch.now += pauses[-1]
        fail(breaker, 1)
    assert pauses == [5, 10, 20, 40, 60, 60]
    watch.now += LONGEST_PAUSE_S
    breaker.answered(entered(breaker))
    fail(breaker)
    assert breaker.wait_s() == FIRST_PAUSE_S


def test_fifty_questions_that_fail_together_are_one_outage() -> None:
    breaker = Breaker(Watch())
    entries = [entered(breaker) for _ in range(50)]
    for entry in entries:
        breaker.failed(entry)
    assert breaker.wait_s() == FIRST_PAUSE_S


def test_one_probe_at_a_time() -> None:
    watch = Watch()
    breaker = Breaker(watch)
    fail(breaker)
    watch.now += 5
    probe = entered(breaker)
    assert (breaker.state, [breaker.enter() for _ in range(50)]) == (BreakerState.HALF_OPEN, [None] * 50)
    breaker.answered(probe)
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_went_away_leaves_its_place_to_the_next() -> None:
    watch = Watch()
    breaker = Breaker(watch)
    fail(breaker)
    watch.now += 5
    breaker.left(entered(breaker))
    breaker.answered(entered(breaker))
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_waits_in_line_keeps_nobody_out_for_long() -> None:
    watch = Watch()
    breaker = Breaker(watch)
    fail(breaker)
    watch.now += 5
    entered(breaker)
    watch.now += PROBE_S - 1
    assert (breaker.enter(), breaker.wait_s()) == (None, 1)
    watch.now += 1
    second = entered(breaker)
    assert breaker.enter() is None
    breaker.answered(second)
    assert breaker.state is BreakerState.CLOSED


def test_of_several_probes_the_first_that_knows_decides() -> None:
    watch = Watch()
    breaker = Breaker(watch)
    fail(breaker)
    watch.now += 5
    first = entered(breaker)
    watch.now += PROBE_S
    second = entered(breaker)
    breaker.left(second)
    breaker.failed(first)
    assert (breaker.state, breaker.wait_s()) == (BreakerState.OPEN, 2 * FIRST_PAUSE_S)
    breaker.answered(second)
    assert breaker.state is BreakerState.OPEN


def test_who_asked_before_the_outage_says_nothing_about_it() -> None:
    watch = Watch()
    breaker = Breaker(watch)
    late = entered(breaker)
    fail(breaker)
    watch.now += 5
    probe = entered(breaker)
    for report in (breaker.failed, breaker.answered, breaker.left):
        report(late)
        assert breaker.state is BreakerState.HALF_OPEN
    breaker.answered(probe)
    assert breaker.state is BreakerState.CLOSED


def test_a_server_that_asks_for_a_pause_gets_it_at_once() -> None:
    breaker = Breaker(Watch())
    breaker.failed(entered(breaker), 17)
    assert (breaker.state, breaker.wait_s()) == (BreakerState.OPEN, 17)


def test_no_server_is_left_alone_for_ever() -> None:
    breaker = Breaker(Watch())
    breaker.failed(entered(breaker), 86_400)
    assert breaker.wait_s() == LONGEST_WISH_S


def test_every_change_is_told() -> None:
    watch = Watch()
    told: list[str] = []
    breaker = Breaker(watch, told.append)
    fail(breaker)
    watch.now += 5
    breaker.answered(entered(breaker))
    assert told == ["open", "half_open", "closed"]


class AnyStory(RuleBasedStateMachine):
    """However askers come, fail, leave and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()
        self.breaker = Breaker(self.watch)
        self.asking: list[Entry] = []
        self.probes: list[Entry] = []
        self.next_probe_at = 0.0

    @rule(seconds=st.floats(0, 90))
    def time_passes(self, seconds: float) -> None:
        self.watch.now += seconds

    @rule()
    def somebody_comes(self) -> None:
        before = self.breaker.state
        entry = self.breaker.enter()
        if before is BreakerState.HALF_OPEN:
            assert (entry is not None) == (self.watch.now >= self.next_probe_at)
        if before is BreakerState.CLOSED:
            assert entry is not None
        if before is BreakerState.OPEN:
            self.probes = []
        if entry is not None:
            self.asking.append(entry)
            if self.breaker.state is BreakerState.HALF_OPEN:
                self.probes.append(entry)
                self.next_probe_at = self.watch.now + PROBE_S

    @rule(
        place=st.integers(0, 99),
        how=st.sampled_from(["answered", "failed", "wished", "left"]),
        wish=st.floats(0, 700),
    )
    def somebody_reports(self, place: int, how: str, wish: float) -> None:
        if not self.asking:
            return
        entry = self.asking.pop(place % len(self.asking))
        before, is_probe = self.breaker.state, any(entry is probe for probe in self.probes)
        match how:
            case "answered":
                self.breaker.answered(entry)
            case "failed":
                self.breaker.failed(entry)
            case "wished":
                self.breaker.failed(entry, wish)
            case "left":
                self.breaker.left(entry)
        if before is BreakerState.HALF_OPEN and how != "left":
            assert (self.breaker.state is before) == (not is_probe)
        elif before is BreakerState.OPEN or how in ("answered", "left"):
            assert self.breaker.state is before
        if before is BreakerState.HALF_OPEN and how == "left" and is_probe:
            self.next_probe_at = self.watch.now

    @invariant()
    def it_is_always_worth_asking_again_soon(self) -> None:
        assert 1 <= self.breaker.wait_s() <= LONGEST_WISH_S


TestAnyStory = AnyStory.TestCase
