from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from typing_extensions import override

from application.admin.verify_log import Flaw, Verdict, VerifyLog
from application.ports.administration import Expired, KeptAction
from domain.action_log import FIRST, ActionLine
from tests.fakes.administration import FakeActionRecords
from tests.fakes.clock import START

Log = list[KeptAction]


def a_line(n: int) -> ActionLine:
    return ActionLine(
        operator_email="root@school.org",
        role="admin",
        action="update",
        target_user_id=n,
        target_user_email=f"user{n}@school.org",
        reason=None,
        details={"bio": ["", "Größe"], "n": n},
        timestamp=START,
    )


def a_log(lines: int, first_id: int = 1) -> Log:
    kept: Log = []
    for n in range(lines):
        line = a_line(n)
        kept.append(KeptAction(first_id + n, line, line.chained_to(kept[-1].hash if kept else FIRST)))
    return kept


async def verify(log: Log, head: str | None = None) -> Verdict:
    return await VerifyLog(FakeActionRecords(log))(head)


def flaws(verdict: Verdict) -> list[tuple[Flaw, int]]:
    return [(finding.flaw, finding.kept.id) for finding in verdict.findings]


def changed(kept: KeptAction, **different: object) -> KeptAction:
    return KeptAction(kept.id, replace(kept.line, **different), kept.hash)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize("lines", [0, 1, 7, 1000])
async def test_an_honest_log_is_sound(lines: int) -> None:
    log = a_log(lines)
    verdict = await verify(log)
    assert verdict.sound
    assert (verdict.lines, verdict.head) == (lines, log[-1].hash if log else FIRST)
    assert (await verify(log, verdict.head)).sound
    assert (await verify(a_log(lines + 3), verdict.head)).sound  # it has grown since


async def test_gaps_between_the_numbers_are_no_flaw() -> None:
    log = a_log(3)
    assert (await verify([replace_id(one, one.id * 10) for one in log])).sound


def replace_id(kept: KeptAction, id: int) -> KeptAction:
    return KeptAction(id, kept.line, kept.hash)


@pytest.mark.parametrize("at", [0, 3, 6])
@pytest.mark.parametrize(
    "change",
    [
        {"operator_email": "x@y.z"},
        {"role": "tutor"},
        {"action": "login"},
        {"target_user_id": 99},
        {"target_user_email": None},
        {"reason": ""},
        {"details": None},
        {"details": {"bio": ["", "Grosse"]}},
        {"timestamp": START.replace(microsecond=1)},
    ],
)
async def test_a_changed_field_is_found(at: int, change: dict[str, object]) -> None:
    log = a_log(7)
    log[at] = changed(log[at], **change)
    assert flaws(await verify(log)) == [(Flaw.CHANGED, at + 1)]


async def test_a_changed_hash_is_found() -> None:
    log = a_log(4)
    log[1] = KeptAction(2, log[1].line, "f" * 64)
    verdict = await verify(log)
    assert not verdict.sound
    assert {id for _, id in flaws(verdict)} <= {2, 3}


@pytest.mark.parametrize(("gone", "found_at"), [([0], 2), ([3], 5), ([2, 3, 4], 6)])
async def test_a_removed_line_is_found(gone: list[int], found_at: int) -> None:
    log = [kept for n, kept in enumerate(a_log(7)) if n not in gone]
    assert flaws(await verify(log)) == [(Flaw.REMOVED_BEFORE, found_at)]


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("count", [1, 3])
async def test_a_line_put_in_is_found(chained: bool, count: int) -> None:
    log = [replace_id(kept, kept.id * 10) for kept in a_log(5)]
    previous = log[1].hash
    for n in range(count):
        line = a_line(500 + n)
        previous = line.chained_to(previous) if chained else "e" * 64
        log.insert(2 + n, KeptAction(21 + n, line, previous))
    verdict = await verify(log)
    assert flaws(verdict) == [(Flaw.INSERTED, 21 + n) for n in range(count)]
    assert {finding.before for finding in verdict.findings} == {20}


async def test_a_line_put_in_at_the_beginning_is_found() -> None:
    log = a_log(3, first_id=5)
    line = a_line(77)
    log.insert(0, KeptAction(1, line, line.chained_to(FIRST)))
    assert flaws(await verify(log)) == [(Flaw.INSERTED, 1)]


async def test_two_lines_in_the_wrong_order_are_found() -> None:
    log = a_log(6)
    log[2], log[3] = replace_id(log[3], 3), replace_id(log[2], 4)
    assert not (await verify(log)).sound


async def test_several_flaws_are_all_found() -> None:
    log = a_log(9)
    log[1] = changed(log[1], action="login")
    log[6] = changed(log[6], reason="none")
    del log[4]
    assert flaws(await verify(log)) == [(Flaw.CHANGED, 2), (Flaw.REMOVED_BEFORE, 6), (Flaw.CHANGED, 7)]


async def test_a_cut_off_end_is_found_with_the_head_alone() -> None:
    log = a_log(6)
    assert (await verify(log[:4])).sound
    verdict = await verify(log[:4], log[-1].hash)
    assert (verdict.cut_off, verdict.findings) == (True, [])
    assert (await verify([], log[-1].hash)).cut_off


async def test_a_log_written_anew_is_found_with_the_head_alone() -> None:
    def anew(forge: Callable[[ActionLine], ActionLine]) -> Log:
        kept: Log = []
        for one in a_log(5):
            line = forge(one.line)
            kept.append(KeptAction(one.id, line, line.chained_to(kept[-1].hash if kept else FIRST)))
        return kept

    forged = anew(lambda line: replace(line, operator_email="nobody@school.org"))
    assert (await verify(forged)).sound
    assert (await verify(forged, a_log(5)[-1].hash)).cut_off


def test_each_line_hangs_on_the_one_before() -> None:
    for one, next_one in pairwise(a_log(5)):
        assert next_one.line.chained_to(one.hash) == next_one.hash


def without_front(lines: int, gone: int) -> FakeActionRecords:
    log = a_log(lines)
    last = log[gone - 1]
    return FakeActionRecords(log[gone:], [Expired(last.id, last.hash, last.line.timestamp)])


@pytest.mark.parametrize("gone", [1, 4, 6])
async def test_what_has_expired_is_no_flaw_and_is_told(gone: int) -> None:
    records = without_front(7, gone)
    verdict = await VerifyLog(records)()
    assert (verdict.sound, verdict.lines, verdict.expired) == (True, 7 - gone, records.gone[-1])
    assert (await VerifyLog(records)(verdict.head)).sound
    assert (await VerifyLog(records)(records.gone[-1].hash)).sound  # the head of just then
    assert (await VerifyLog(records)(FIRST)).sound
    if gone > 1:
        assert (await VerifyLog(records)(a_log(1)[0].hash)).cut_off  # that nobody can tell any more


async def test_behind_what_has_expired_everything_is_found() -> None:
    records = without_front(9, 3)
    del records.kept[0]
    assert flaws(await VerifyLog(records)()) == [(Flaw.REMOVED_BEFORE, 5)]

    records = without_front(9, 3)
    records.kept[0] = changed(records.kept[0], action="login")
    assert flaws(await VerifyLog(records)()) == [(Flaw.CHANGED, 4)]

    records = without_front(9, 3)
    records.kept.insert(0, a_log(3)[2])  # one that has expired is there again
    assert flaws(await VerifyLog(records)()) == [(Flaw.CHANGED, 3)]

    records = without_front(9, 3)
    records.kept.clear()  # the last line never expires
    assert not (await VerifyLog(records)()).sound


async def test_lines_that_expire_while_it_is_read_are_no_flaw() -> None:
    records = Shrinking(a_log(6))
    verdict = await VerifyLog(records)()
    assert (verdict.sound, verdict.lines) == (True, 4)


class Shrinking(FakeActionRecords):
    """Loses its first lines after somebody has asked where it begins."""

    @override
    async def expired(self) -> Expired | None:
        found = await super().expired()
        if not self.gone:
            last = self.kept[1]
            self.gone.append(Expired(last.id, last.hash, last.line.timestamp))
            del self.kept[:2]
        return found
