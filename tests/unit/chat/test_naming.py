"""Titles and favourites: neither is a use of the session."""

from datetime import timedelta

import pytest

from application.chat.mark_favorite import MarkFavorite
from application.chat.rename import RenameSession
from domain.conversation import SessionId, SessionNotFound
from domain.errors import InvalidField
from tests.unit.chat.room import Room


async def test_a_session_gets_another_title(room: Room) -> None:
    ann, rename = await room.someone(), RenameSession(work=room.work)
    session = await room.session_of(ann)
    before = room.tables.sessions[session].updated_at
    room.clock.pass_(timedelta(minutes=5))
    assert await rename(ann, session, "  Cells ") == "Cells"
    assert await rename(ann, session, "x" * 500) == "x" * 120
    assert await rename(ann, session, "") == "Untitled"
    assert room.tables.sessions[session].title == "Untitled"
    assert room.tables.sessions[session].updated_at == before


@pytest.mark.parametrize("title", [None, 5, ["x"], {"a": 1}, "\ud800", "a\x00b"])
async def test_what_is_no_title_changes_nothing(room: Room, title: object) -> None:
    ann = await room.someone()
    session = await room.session_of(ann)
    with pytest.raises(InvalidField, match="Invalid title"):
        await RenameSession(work=room.work)(ann, session, title)
    assert room.tables.sessions[session].title == "Biology"


async def test_favourites_are_plural(room: Room) -> None:
    ann, mark = await room.someone(), MarkFavorite(work=room.work)
    one, two = await room.session_of(ann), await room.session_of(ann)
    before = room.tables.sessions[one].updated_at
    room.clock.pass_(timedelta(minutes=5))
    await mark(ann, one, True)
    await mark(ann, two, True)
    assert [room.tables.sessions[id].is_favorite for id in (one, two)] == [True, True]
    await mark(ann, two, False)
    await mark(ann, two, False)
    assert [room.tables.sessions[id].is_favorite for id in (one, two)] == [True, False]
    assert room.tables.sessions[one].updated_at == before


async def test_only_its_owner_knows_a_session(room: Room) -> None:
    ann, ben = await room.someone(), await room.someone("ben@example.org")
    session = await room.session_of(ann)
    for user, id in ((ben, session), (ann, SessionId(999))):
        with pytest.raises(SessionNotFound):
            await RenameSession(work=room.work)(user, id, "Mine")
        with pytest.raises(SessionNotFound):
            await MarkFavorite(work=room.work)(user, id, True)
    found = room.tables.sessions[session]
    assert (found.title, found.is_favorite) == ("Biology", False)
