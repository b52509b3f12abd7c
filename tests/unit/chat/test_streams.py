"""The promise of the whole engine, over whatever happens: every reader hears every event once.

One reply, three workers, readers that come, leave and come back anywhere with the number of the last event
they heard; a shared store that is emptied at any moment, and an owner that may die at any moment."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from application.chat.feed import Reader
from application.chat.follow import NothingLeft
from application.chat.running import RunningReply
from application.ports.language_model import Prompt
from application.tasks import ended as cancelled
from domain.conversation import MessageState
from domain.user import UserId
from tests.fakes.language_model import FakeLanguageModel
from tests.unit.chat.room import TICK_S, Room, Worker, ended, frames_in, numbers, told

READERS, WORKERS = 3, 3  # the first worker owns the reply
PIECES = ("a", "bc ", "é", "字\u2028", "\U0001f393", "x" * 3000)


class Dictated(FakeLanguageModel):
    """Says what it is told to, when it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: asyncio.Queue[str | None] = asyncio.Queue()

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        while (piece := await self.pages.get()) is not None:
            yield piece


@dataclass(eq=False)
class Listener:
    """One reader over all its visits."""

    user: UserId
    heard: list[bytes] = field(default_factory=list)
    reading: "asyncio.Task[None] | None" = None
    at: Worker | None = None
    sent_away: bool = False  # with the word that there is nothing left

    @property
    def statuses(self) -> list[str]:
        return [str(event["status"]) for event in told(self.heard)]

    @property
    def satisfied(self) -> bool:
        return self.sent_away or "complete" in self.statuses

    @property
    def text(self) -> str:
        return "".join(event.get("chunk", "") for event in told(self.heard))

    def come(self, worker: Worker, running: RunningReply) -> None:
        if self.reading is None and not self.satisfied:
            self.at = worker
            self.reading = asyncio.create_task(self._read(worker, running))

    async def leave(self) -> None:
        if self.reading is not None:
            await cancelled(self.reading)
            self.reading = None

    async def _read(self, worker: Worker, running: RunningReply) -> None:
        last = numbers(self.heard)[-1] if self.heard else None
        try:
            async with worker.follow(self.user, running.reply.message, last) as place:
                with Reader(place.feed, place.after) as reader:
                    while not reader.finished:
                        self.heard += frames_in(await reader.next())
        except NothingLeft:
            self.sent_away = True


@dataclass(eq=False)
class House:
    room: Room
    model: Dictated
    workers: Sequence[Worker]
    owners_chores: "set[asyncio.Task[Any]]"
    running: RunningReply
    listeners: Sequence[Listener]
    generated: str = ""

    async def step(self, what: str, n: int, m: int) -> None:
        match what:
            case "say":
                self.generated += PIECES[n % len(PIECES)]
                self.model.pages.put_nowait(PIECES[n % len(PIECES)])
            case "come":
                self.listeners[n % READERS].come(self.workers[m % WORKERS], self.running)
            case "leave":
                await self.listeners[n % READERS].leave()
            case "flush":
                self.room.logs.flush()
            case "wait":
                await asyncio.sleep(TICK_S * (1 + n % 3) / 2)
        for _ in range(m % 6):
            await asyncio.sleep(0)

    async def kill_the_owner(self) -> None:
        """It says, copies and hears nothing any more."""
        self.room.cluster.die("0")
        for listener in self.listeners:
            if listener.at is self.workers[0]:
                await listener.leave()
        await cancelled(*self.owners_chores)

    async def hear_the_end(self, worker: Worker) -> None:
        """Everybody who has not heard it yet comes again until he has."""
        for listener in self.listeners:
            async with asyncio.timeout(5):
                if listener.reading is not None:
                    await listener.reading
                    listener.reading = None
                while not listener.satisfied:
                    listener.come(worker, self.running)
                    assert listener.reading is not None
                    await listener.reading
                    listener.reading = None


steps = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "say", "come", "come", "leave", "flush", "wait"]),
        st.integers(0, 8),
        st.integers(0, 8),
    ),
    max_size=25,
)


async def a_house(stack: AsyncExitStack) -> House:
    model = Dictated()
    room = Room(model=model)
    others = asyncio.all_tasks()
    owner = await stack.enter_async_context(room.open_worker("0"))
    chores = asyncio.all_tasks() - others
    workers = [owner] + [await stack.enter_async_context(room.open_worker(f"{n}")) for n in range(1, WORKERS)]
    ann = await room.someone()
    running = await owner.ask(ann, "What?")
    return House(room, model, workers, chores, running, [Listener(ann) for _ in range(READERS)])


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(0, WORKERS - 1))
async def test_every_reader_hears_every_event_once(what: list[tuple[str, int, int]], last: int) -> None:
    async with AsyncExitStack() as stack:
        house = await a_house(stack)
        for step in what:
            await house.step(*step)
        house.model.pages.put_nowait("the end")
        house.model.pages.put_nowait(None)
        running = await ended(house.running)
        await house.hear_the_end(house.workers[last])

        assert running.reply.text == house.generated + "the end"
        assert house.room.message(running.reply.message).content == running.reply.text
        for listener in house.listeners:
            assert listener.heard == running.reply.log[:]
            for worker in house.workers:
                try:
                    async with worker.follow(listener.user, running.reply.message, len(listener.heard)):
                        raise AssertionError("there was more")
                except NothingLeft:
                    pass


@settings(max_examples=50, deadline=None)
@given(steps, steps, st.integers(1, WORKERS - 1), st.booleans())
async def test_after_a_death_what_is_stored_is_a_part_of_it_and_what_everybody_is_told(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]], last: int, late: bool
) -> None:
    async with AsyncExitStack() as stack:
        house = await a_house(stack)
        for step in before:
            await house.step(*step)
        await house.kill_the_owner()
        for what, n, m in after if late else after[:3]:
            if what != "say":
                await house.step(what, n, 1 + m % (WORKERS - 1))
        settling = [worker.settle_abandoned() for worker in house.workers[1:] for _ in range(2)]
        assert sum([await one for one in settling]) == 1
        for what, n, m in after:
            if what != "say":
                await house.step(what, n, 1 + m % (WORKERS - 1))
        await house.hear_the_end(house.workers[last])

        message = house.room.message(house.running.reply.message)
        assert message.content is not None
        assert house.generated.startswith(message.content)
        assert message.state is (MessageState.INTERRUPTED if message.content else MessageState.FAILED)
        for listener in house.listeners:
            assert numbers(listener.heard) == list(range(1, len(listener.heard) + 1))
            assert house.generated.startswith(listener.text)
            if listener.sent_away:
                # the dead worker had told him a piece under the number under which another heard the end:
                # nobody can tell the two apart
                assert len(listener.heard) in {len(o.heard) for o in house.listeners if not o.sent_away}
                continue
            assert listener.statuses.count("complete") == 1
            complete = told(listener.heard)[-1]
            assert (complete["status"], complete["interrupted"]) == ("complete", True)
            assert complete["text"] == message.content
        house.model.pages.put_nowait(None)
