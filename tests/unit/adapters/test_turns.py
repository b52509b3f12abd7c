import asyncio

import pytest

from adapters.sql.turns import Turns
from domain.errors import StorageBusy

LONG = 0.05  # seconds of a turn


async def take(turns: Turns, held: asyncio.Event | None = None, s: float = LONG) -> None:
    async with turns.taken():
        if held is not None:
            held.set()
        await asyncio.sleep(s)


class TestTurns:
    async def test_are_taken_in_the_order_of_asking_one_at_a_time(self) -> None:
        turns, order = Turns(), list[str]()

        async def somebody(n: int) -> None:
            async with turns.taken():
                order.append(f"{n} comes")
                await asyncio.sleep(0)
                order.append(f"{n} goes")

        await asyncio.gather(*(somebody(n) for n in range(20)))
        assert order == [f"{n} {what}" for n in range(20) for what in ("comes", "goes")]

    async def test_who_waited_in_vain_is_told_when_to_come_again(self) -> None:
        turns, held = Turns(patience_s=0.02), asyncio.Event()
        first = asyncio.create_task(take(turns, held))
        await held.wait()
        with pytest.raises(StorageBusy) as refused:
            await take(turns)
        assert refused.value.retry_after == 1
        await first

    async def test_a_hopeless_queue_takes_nobody_in(self) -> None:
        turns, held = Turns(patience_s=2 * LONG), asyncio.Event()
        for _ in range(20):
            await take(turns, s=LONG / 2)  # it learns what a turn takes
        first = asyncio.create_task(take(turns, held))
        await held.wait()
        queue = [first, *(asyncio.create_task(take(turns, s=0)) for _ in range(9))]
        await asyncio.sleep(0)  # they have asked
        began = asyncio.get_running_loop().time()
        with pytest.raises(StorageBusy):
            await take(turns)
        assert asyncio.get_running_loop().time() - began < LONG / 4
        outcomes = await asyncio.gather(*queue, return_exceptions=True)
        assert any(isinstance(outcome, StorageBusy) for outcome in outcomes)
        assert outcomes[0] is None

    async def test_the_next_one_is_let_in_whatever_became_of_the_one_before(self) -> None:
        turns, held = Turns(), asyncio.Event()
        first = asyncio.create_task(take(turns, held, s=60))
        second = asyncio.create_task(take(turns, s=60))
        third = asyncio.create_task(take(turns, s=0))
        await held.wait()
        second.cancel()
        first.cancel()
        await third

    async def test_one_long_turn_is_no_reason_to_refuse_whom_nobody_precedes(self) -> None:
        turns = Turns(patience_s=0.001)
        for _ in range(3):
            await take(turns)
