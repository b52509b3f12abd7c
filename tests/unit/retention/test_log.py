from datetime import timedelta

import pytest

from application.ports.persistence import System, Target
from application.retention.expire_log import PORTION, ExpireLog
from domain.user import UserId
from tests.fakes.clock import START, FakeClock
from tests.fakes.persistence import FakeDatabase, FakeWorkFactory

DAY = timedelta(days=1)


@pytest.mark.parametrize(("days", "left"), [(None, PORTION + 5), (30, 2), (29, 1)])
async def test_lines_go_once_they_are_too_old_and_the_last_never(days: int | None, left: int) -> None:
    database = FakeDatabase()
    work = FakeWorkFactory(database)
    async with work() as w:
        for n in range(PORTION + 5):
            at = START + (DAY if n > PORTION + 2 else timedelta())
            await w.log.record(System(), "login", Target(UserId(n), "x@school.org"), at)
        await w.commit()
    clock = FakeClock(START + 30 * DAY + timedelta(hours=1) + (DAY if days == 29 else timedelta()))

    expire = ExpireLog(work=work, clock=clock, keep=None if days is None else days * DAY)
    assert await expire() is (days is not None)  # there may be more
    assert await expire() is False

    assert len(database.tables.log) == left
    assert database.tables.log[-1].target == PORTION + 4
