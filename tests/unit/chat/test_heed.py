import asyncio

from application.jobs.doubt import Doubt
from tests.unit.chat.room import Room


async def test_when_jobs_are_cancelled_all_who_do_one_anywhere_ask_whether_it_is_theirs(room: Room) -> None:
    async with room.open_worker("ours") as ours, room.open_worker("theirs") as theirs:
        here, there = ours.heed.doubt, theirs.heed.doubt
        with here.heard() as one, here.heard() as other, there.heard() as elsewhere:
            await room.calls.jobs_cancelled()
            async with asyncio.timeout(5):
                await asyncio.gather(one.wait(), other.wait(), elsewhere.wait())


def test_who_does_none_any_more_is_not_asked() -> None:
    doubt = Doubt()
    with doubt.heard() as event:
        pass
    doubt.cast()
    assert not event.is_set()
