"""Slots that are given in turns."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.files.fair_slots import FairSlots

SLOTS = 4


@dataclass(eq=False)
class Visit:
    owner: str
    room: "Room"
    begun: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)
    before: "Counter[str]" = field(default_factory=Counter)  # whose turns began while this one waited

    async def happen(self) -> None:
        async with self.room.slots.turn(self.owner):
            self.begun = True
            for other in self.room.waiting:
                other.before[self.owner] += 1
            await self.left.wait()


@dataclass(eq=False)
class Room:
    """Visits come, have their turn, and leave when they are told to."""

    slots: FairSlots[str] = field(default_factory=lambda: FairSlots(SLOTS))
    visits: dict[Visit, "asyncio.Task[None]"] = field(default_factory=dict)

    async def come(self, owner: str) -> Visit:
        visit = Visit(owner, self)
        self.visits[visit] = asyncio.create_task(visit.happen())
        await settled()
        return visit

    async def leave(self, visit: Visit) -> None:
        task = self.visits.pop(visit)
        visit.left.set()
        if not visit.begun:
            task.cancel()
        await asyncio.wait([task])
        await settled()

    @property
    def waiting(self) -> list[Visit]:
        return [visit for visit in self.visits if not visit.begun]

    @property
    def begun(self) -> Counter[str]:
        return Counter(visit.owner for visit in self.visits if visit.begun)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def room() -> Room:
    return Room()


async def test_one_owner_leaves_room_for_others(room: Room) -> None:
    for _ in range(10):
        await room.come("ann")
    assert room.begun == {"ann": 2}
    assert (await room.come("ben")).begun


async def test_two_who_want_all_of_it_keep_nobody_waiting(room: Room) -> None:
    for _ in range(10):
        await room.come("ann")
        await room.come("ben")
    assert (await room.come("cleo")).begun


async def test_many_take_turns_and_who_comes_last_waits_for_one_of_each(room: Room) -> None:
    for owner in ("ann", "ben", "cleo", "dan") * 5:
        await room.come(owner)
    assert room.begun == {"ann": 1, "ben": 1, "cleo": 1, "dan": 1}
    eve = await room.come("eve")
    while not eve.begun:
        await room.leave(next(visit for visit in room.visits if visit.begun))
    assert eve.before.total() <= 4


async def test_who_comes_again_and_again_overtakes_nobody() -> None:
    room = Room(FairSlots(1))
    here, patient = await room.come("ann"), await room.come("ann")
    for owner in ("ben", "cleo") * 3:
        await room.come(owner)
        await room.leave(here)
        here = next(visit for visit in room.visits if visit.begun)
    assert max(patient.before["ben"], patient.before["cleo"]) <= 1


async def test_who_would_not_wait_any_longer_takes_nobodys_place(room: Room) -> None:
    visits = [await room.come("ann") for _ in range(4)]
    assert [visit.begun for visit in visits] == [True, True, False, False]
    await room.leave(visits[2])
    await room.leave(visits[0])
    assert visits[3].begun


async def test_all_slots_are_free_again_in_the_end(room: Room) -> None:
    for n in range(30):
        await room.come(f"user {n % 7}")
    while room.visits:
        await room.leave(next(iter(room.visits)))
    assert room.slots.free == SLOTS
    assert not room.slots._taken
    assert not room.slots._since


async def test_who_are_sent_away_together_leave_nothing_behind(room: Room) -> None:
    for _ in range(9):
        await room.come("ann")
    for task in room.visits.values():
        task.cancel()
    ended, _ = await asyncio.wait(room.visits.values())
    assert all(task.cancelled() for task in ended)
    assert room.slots.free == SLOTS


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcde"), st.booleans(), st.integers(0, 99)), min_size=40, max_size=60
    ),
    slots=st.integers(1, 4),
)
@settings(deadline=None)
def test_nobody_waits_for_two_turns_of_another(steps: list[tuple[str, bool, int]], slots: int) -> None:
    """Whose next visit it is, and who has no slot yet: however the others come and go."""

    async def play() -> None:
        room = Room(FairSlots(slots))
        for owner, comes, which in steps:
            if comes or not room.visits:
                await room.come(owner)
            else:
                await room.leave(list(room.visits)[which % len(room.visits)])
            assert room.begun.total() <= slots
            if room.slots.free:
                assert all(room.begun[visit.owner] >= room.slots.free for visit in room.waiting)
            for visit in room.waiting:
                if not room.begun[visit.owner] and visit is first_of(room, visit.owner):
                    others = {owner: n for owner, n in visit.before.items() if owner != visit.owner}
                    assert all(n <= 1 for n in others.values()), others
            for visit in room.waiting:  # counted anew for who has just had a turn, or still has one
                if room.begun[visit.owner] or visit is not first_of(room, visit.owner):
                    visit.before.clear()
        for visit in list(room.visits):
            await room.leave(visit)

    asyncio.run(play())


def first_of(room: Room, owner: str) -> Visit:
    return next(visit for visit in room.waiting if visit.owner == owner)
