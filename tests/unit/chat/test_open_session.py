import pytest

from application.chat.open_session import OpenSession
from domain.errors import InvalidField, StorageUnavailable
from tests.unit.chat.room import Room


async def test_opens_an_empty_session_with_a_memory_of_its_own(room: Room) -> None:
    open_session = OpenSession(work=room.work, clock=room.clock)
    ann = await room.someone()
    first, second = await open_session(ann, " Biology "), await open_session(ann, "x" * 200)
    one, other = room.tables.sessions[first], room.tables.sessions[second]
    assert (one.title, one.owner, one.message_count, one.created_at) == ("Biology", ann, 0, room.clock.now())
    assert other.title == "x" * 120
    assert one.memory != other.memory


async def test_refuses_what_is_no_title_and_makes_nothing(room: Room) -> None:
    open_session, ann = OpenSession(work=room.work, clock=room.clock), await room.someone()
    with pytest.raises(InvalidField, match="Invalid title"):
        await open_session(ann, ["x"])
    room.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await open_session(ann, "x")
    assert room.tables.sessions == {}
