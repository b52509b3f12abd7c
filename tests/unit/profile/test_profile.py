import asyncio
from datetime import timedelta
from typing import Any

import pytest

from application.accounts.limits import PROFILE_CHANGES
from application.profile.read_notification import NotificationNotFound, ReadNotification
from application.profile.show_profile import ShowProfile
from application.profile.update_profile import UpdateProfile
from domain.errors import InvalidField, RateLimited
from domain.user import DEFAULT_PICTURE, TokenDead, User, UserId
from tests.builders import a_user
from tests.fakes.clock import START, FakeClock
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory
from tests.fakes.throttle import FakeThrottle

NOBODY = UserId(999)


class Room:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase()
        self.work = FakeWorkFactory(self.database)
        self.reading = FakeReading(self.database)
        self.throttle = FakeThrottle(self.clock)
        self.update = UpdateProfile(work=self.work, throttle=self.throttle, clock=self.clock)
        self.show = ShowProfile(work=self.work, reading=self.reading, clock=self.clock)
        self.read = ReadNotification(work=self.work)

    async def someone(self, *, profile: bool = True) -> UserId:
        user = a_user()
        if not profile:
            user.profile = None
        async with self.work() as w:
            w.users.add(user)
            await w.commit()
        return user.id

    @property
    def user(self) -> User:
        (user,) = self.database.tables.users.values()
        return user


@pytest.fixture
def room() -> Room:
    return Room()


class TestUpdate:
    async def test_takes_over_what_differs_and_logs_it_once(self, room: Room) -> None:
        ann = await room.someone()
        room.clock.pass_(timedelta(minutes=1))
        texts = {"username": "ann", "full_name": "Ann Lee", "bio": "Hi"}
        for _ in range(2):
            await room.update(ann, texts)
            room.clock.pass_(timedelta(minutes=1))
        (line,) = room.database.tables.log
        profile = room.user.profile

        assert (line.operator, line.action, line.target) == ("ann@example.org", "update", ann)
        assert line.details == {"full_name": ["", "Ann Lee"], "bio": ["", "Hi"]}
        assert profile is not None
        assert (profile.full_name, profile.bio) == ("Ann Lee", "Hi")
        assert profile.updated_at == START + timedelta(minutes=1)

    async def test_an_empty_text_clears_but_never_the_username(self, room: Room) -> None:
        ann = await room.someone()
        await room.update(ann, {"phone": "1", "bio": "x"})
        await room.update(ann, {"phone": "", "username": ""})
        card = await room.show(ann)

        assert (card.username, card.phone, card.bio) == ("ann", "", "x")

    async def test_texts_are_kept_in_one_form(self, room: Room) -> None:
        ann = await room.someone()
        await room.update(ann, {"full_name": "A\u0308nn"})

        assert (await room.show(ann)).full_name == "Änn"

    @pytest.mark.parametrize(
        ("name", "most"), [("username", 50), ("full_name", 50), ("phone", 20), ("bio", 2000)]
    )
    async def test_texts_are_bounded_in_characters(self, room: Room, name: str, most: int) -> None:
        ann = await room.someone()
        await room.update(ann, {name: "文" * most})
        for bad in ("x" * (most + 1), "a\x00b", "\ud800"):
            with pytest.raises(InvalidField, match=f"Invalid value for '{name}'"):
                await room.update(ann, {"bio": "not kept", name: bad})

        assert getattr(await room.show(ann), name) == "文" * most
        assert len(room.database.tables.log) == 1

    async def test_nothing_else_binds(self, room: Room) -> None:
        ann = await room.someone()
        await room.update(ann, {"role": "admin", "email": "x@example.org", "avatar_url": "/x", "id": "7"})

        assert (room.user.email, room.user.role.value) == ("ann@example.org", "student")
        assert room.database.tables.log == []

    async def test_a_missing_profile_is_made(self, room: Room) -> None:
        ann = await room.someone(profile=False)
        await room.update(ann, {"bio": "x"})

        assert (await room.show(ann)).username == "ann"

    async def test_changes_at_once_are_logged_one_after_another(self, room: Room) -> None:
        ann = await room.someone()
        await asyncio.gather(*(room.update(ann, {"bio": str(n)}) for n in range(5)))
        steps: list[Any] = [(line.details or {})["bio"] for line in room.database.tables.log]

        assert len(steps) == 5
        assert [new for _, new in steps[:-1]] == [old for old, _ in steps[1:]]

    async def test_only_so_many_an_hour(self, room: Room) -> None:
        ann = await room.someone()
        for n in range(PROFILE_CHANGES.times):
            await room.update(ann, {"bio": str(n)})
        await room.update(ann, {"no": "text"})  # asks for nothing
        with pytest.raises(RateLimited) as refusal:
            await room.update(ann, {"bio": "once more"})
        assert len(room.database.tables.log) == PROFILE_CHANGES.times
        room.clock.pass_(seconds=refusal.value.retry_after)
        await room.update(ann, {"bio": "once more"})

    async def test_of_nobody_is_a_dead_token(self, room: Room) -> None:
        with pytest.raises(TokenDead):
            await room.update(NOBODY, {"bio": "x"})


class TestShow:
    async def test_says_everything(self, room: Room) -> None:
        ann = await room.someone()
        card = await room.show(ann)

        assert (card.id, card.email, card.username, card.role) == (ann, "ann@example.org", "ann", "student")
        assert card.avatar_url == DEFAULT_PICTURE

    async def test_makes_a_missing_profile_once(self, room: Room) -> None:
        ann = await room.someone(profile=False)
        first, second = await room.show(ann), await room.show(ann)

        assert first == second
        assert room.user.profile is not None

    async def test_of_nobody_is_a_dead_token(self, room: Room) -> None:
        with pytest.raises(TokenDead):
            await room.show(NOBODY)


class TestRead:
    async def test_marks_it_and_may_be_done_twice(self, room: Room) -> None:
        ann = await room.someone()
        async with room.work() as w:
            await w.notifications.add(ann, "Hello", "there", "info", START)
            await w.commit()
        for _ in range(2):
            await room.read(ann, 1)

        assert room.database.tables.notifications[0].is_read

    async def test_somebody_elses_looks_like_none(self, room: Room) -> None:
        ann = await room.someone()
        async with room.work() as w:
            await w.notifications.add(NOBODY, "Hello", "there", "info", START)
            await w.commit()
        for number in (1, 2):
            with pytest.raises(NotificationNotFound):
                await room.read(ann, number)

        assert not room.database.tables.notifications[0].is_read
