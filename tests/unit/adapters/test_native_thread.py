import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from adapters.native_thread import NativeThread


class Engine:
    """Writes down what it did, and where; may be held up."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.threads = {threading.get_ident()}
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
def thread(engine: Engine) -> Iterator[NativeThread[Engine]]:
    made = NativeThread("test", lambda: engine)
    yield made
    engine.go.set()
    made.close()


async def test_loads_at_the_first_work_and_stays_in_one_thread() -> None:
    made: list[Engine] = []

    def load() -> Engine:
        made.append(Engine())
        return made[0]

    thread = NativeThread("test", load)
    assert made == []
    names = [await thread.run(doing(str(n))) for n in range(5)]
    thread.close()
    assert names == list("01234")
    assert len(made) == 1
    assert len(made[0].threads) == 1
    assert threading.get_ident() not in made[0].threads


async def test_patient_work_gives_way(thread: NativeThread[Engine], engine: Engine) -> None:
    holding = asyncio.create_task(thread.run(Engine.hold))
    await asyncio.sleep(0)
    patient = [asyncio.create_task(thread.run(doing(f"patient {n}"), patient=True)) for n in range(3)]
    await asyncio.sleep(0)
    pressing = asyncio.create_task(thread.run(doing("pressing")))
    await asyncio.sleep(0)
    engine.go.set()
    await asyncio.gather(holding, pressing, *patient)

    assert engine.done == ["pressing", "patient 0", "patient 1", "patient 2"]


async def test_patient_work_is_done_in_the_end(thread: NativeThread[Engine], engine: Engine) -> None:
    engine.go.set()
    over = False

    async def press() -> None:
        while not over:
            await thread.run(Engine.hold)

    pressing = [asyncio.create_task(press()) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await thread.run(doing("patient"), patient=True)
    over = True
    await asyncio.gather(*pressing)


async def test_an_error_is_the_callers(thread: NativeThread[Engine], engine: Engine) -> None:
    def fail(_: Engine) -> None:
        raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        await thread.run(fail)
    with pytest.raises(ValueError, match="odd"):
        await thread.run(fail, patient=True)
    assert await thread.run(doing("fine"), patient=True) == "fine"


async def test_who_leaves_holds_up_nobody(thread: NativeThread[Engine], engine: Engine) -> None:
    holding = asyncio.create_task(thread.run(Engine.hold))
    leaving = [asyncio.create_task(thread.run(Engine.hold, patient=patient)) for patient in (True, False)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    engine.go.set()
    await holding

    assert await thread.run(doing("next"), patient=True) == "next"
