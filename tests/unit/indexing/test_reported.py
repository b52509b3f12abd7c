import asyncio

import pytest

from application.indexing.reported import NEARLY, reported
from domain.errors import StorageUnavailable


class Ledger:
    def __init__(self) -> None:
        self.written: list[int] = []
        self.down = False

    async def write(self, percent: int) -> None:
        if self.down:
            raise StorageUnavailable
        self.written.append(percent)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


async def pause() -> None:
    await asyncio.sleep(0.05)


async def test_the_newest_is_written_now_and_then(ledger: Ledger) -> None:
    async with reported(ledger.write, every_s=0.01) as told:
        for page in range(1, 51):
            told(page, 100)
        await pause()
        told(75, 100)
        await pause()
    assert ledger.written == [50, 75]


async def test_it_never_goes_back_and_never_says_that_all_is_done(ledger: Ledger) -> None:
    async with reported(ledger.write, every_s=0.01) as told:
        told(100, 100)
        await pause()
        told(1, 100)
        await pause()
    assert ledger.written == [NEARLY]


async def test_what_is_done_before_a_look_is_not_written_at_all(ledger: Ledger) -> None:
    async with reported(ledger.write) as told:
        told(1, 2)
    assert ledger.written == []


async def test_an_outage_is_passed_over(ledger: Ledger) -> None:
    ledger.down = True
    async with reported(ledger.write, every_s=0.01) as told:
        told(1, 2)
        await pause()
        ledger.down = False
        await pause()
    assert ledger.written == [50]


async def test_of_nothing_nothing_is_told(ledger: Ledger) -> None:
    async with reported(ledger.write, every_s=0.01) as told:
        told(0, 0)
        await pause()
    assert ledger.written == []
