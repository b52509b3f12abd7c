import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from adapters.native_threads import NativeThreads
from adapters.niceness import BEHIND


class Engine:
    """Writes down what it did, and where; may be held up."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.threads: set[int] = set()
        self.go = threading.Event()

    def hold(self) -> None:
        self.go.wait(10)

    def do(self, name: str) -> str:
        self.threads.add(threading.get_ident())
        self.done.append(name)
        return name


def doing(name: str) -> Callable[[Engine], str]:
    return partial(Engine.do, name=name)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def threads(engine: Engine) -> Iterator[NativeThreads[Engine]]:
    made = NativeThreads("test", lambda: engine)
    yield made
    engine.go.set()
    made.close()


async def test_loads_at_the_first_work_whoever_brings_it() -> None:
    made: list[Engine] = []

    def load() -> Engine:
        made.append(Engine())
        return made[0]

    threads = NativeThreads("test", load)
    assert made == []
    work = (threads.run(doing(str(n)), patient=bool(n % 2)) for n in range(6))
    assert await asyncio.gather(*work) == list("012345")
    threads.close()
    assert len(made) == 1
    assert threading.get_ident() not in made[0].threads


async def test_each_kind_of_work_has_one_thread_and_keeps_its_order(
    threads: NativeThreads[Engine], engine: Engine
) -> None:
    for patient in (True, False):
        await asyncio.gather(*(threads.run(doing(f"{patient} {n}"), patient=patient) for n in range(5)))
        assert engine.done == [f"{patient} {n}" for n in range(5)]
        engine.done.clear()
    assert len(engine.threads) == 2


async def test_nobody_waits_for_patient_work(threads: NativeThreads[Engine], engine: Engine) -> None:
    patient = asyncio.create_task(threads.run(Engine.hold, patient=True))
    assert await threads.run(doing("pressing")) == "pressing"
    assert not patient.done()
    engine.go.set()
    await patient


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows a priority of single threads")
async def test_patient_work_has_the_processor_when_nobody_else_wants_it(
    threads: NativeThreads[Engine],
) -> None:
    def priority(_: Engine) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert await threads.run(priority) == ours
    assert await threads.run(priority, patient=True) == min(19, ours + BEHIND)


async def test_an_error_is_the_callers(threads: NativeThreads[Engine], engine: Engine) -> None:
    def fail(_: Engine) -> None:
        raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        await threads.run(fail)
    with pytest.raises(ValueError, match="odd"):
        await threads.run(fail, patient=True)
    assert await threads.run(doing("fine"), patient=True) == "fine"


async def test_who_leaves_holds_up_nobody(threads: NativeThreads[Engine], engine: Engine) -> None:
    holding = asyncio.create_task(threads.run(Engine.hold))
    leaving = [asyncio.create_task(threads.run(Engine.hold, patient=patient)) for patient in (True, False)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    engine.go.set()
    await holding

    assert await threads.run(doing("next"), patient=True) == "next"


async def test_between_batches_others_get_their_turn(threads: NativeThreads[Engine], engine: Engine) -> None:
    def each(one: Engine, names: Sequence[str]) -> list[str]:
        return [one.do(name) for name in names]

    holding = asyncio.create_task(threads.run(Engine.hold))
    await asyncio.sleep(0)
    many = asyncio.create_task(threads.in_batches(each, "abcde", 2, patient=False))
    other = asyncio.create_task(threads.in_batches(each, ["now"], 2, patient=False))
    await asyncio.sleep(0)
    engine.go.set()

    assert await many == list("abcde")
    assert await other == ["now"]
    assert engine.done.index("now") < engine.done.index("c")
    assert await threads.in_batches(each, [], 2, patient=False) == []
    await holding
