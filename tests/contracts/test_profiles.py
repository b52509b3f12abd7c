"""Profiles, notifications and tutor requests, asked of the fake, SQLite and PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest

from application.ports.persistence import Inbox, NotificationLine, ProfileCard
from domain.tutor_request import RequestStatus, TutorRequest
from domain.user import DEFAULT_PICTURE, Role, UserId
from tests.builders import a_user
from tests.contracts.stores import Store
from tests.fakes.clock import START

NOBODY = UserId(999_999)


async def someone(store: Store, name: str = "ann", *, profile: bool = True) -> UserId:
    user = a_user(f"{name}@example.org", role=Role.TUTOR)
    if not profile:
        user.profile = None
    async with store.work() as w:
        w.users.add(user)
        await w.commit()
    return user.id


class TestProfile:
    async def test_says_everything(self, store: Store) -> None:
        ann = await someone(store)
        async with store.work() as w:
            user = await w.users.get(ann)
            assert user is not None
            fields = {
                "full_name": "Ann Lee",
                "bio": "文",
                "phone": "12",
                "avatar_url": "/static/avatars/x.png",
            }
            user.own_profile(START).change(fields, START)
            await w.commit()

        assert await store.reading.profile(ann) == ProfileCard(
            id=ann,
            email="ann@example.org",
            username="ann",
            full_name="Ann Lee",
            avatar_url="/static/avatars/x.png",
            bio="文",
            phone="12",
            role=Role.TUTOR,
        )

    async def test_without_a_picture_shows_the_shipped_one(self, store: Store) -> None:
        ann = await someone(store)
        async with store.work() as w:
            user = await w.users.get(ann)
            assert user is not None
            assert user.profile is not None
            user.profile.avatar_url = ""
            await w.commit()
        card = await store.reading.profile(ann)

        assert card is not None
        assert card.avatar_url == DEFAULT_PICTURE

    async def test_that_is_missing_is_none_until_it_is_made(self, store: Store) -> None:
        ann = await someone(store, profile=False)
        assert await store.reading.profile(ann) is None
        assert await store.reading.profile(NOBODY) is None
        async with store.work() as w:
            user = await w.users.get(ann)
            assert user is not None
            user.own_profile(START)
            await w.commit()

        assert await store.reading.profile(ann) is not None

    @pytest.mark.parametrize("profile", [True, False])
    async def test_who_waits_for_it_sees_what_the_one_before_did(self, store: Store, profile: bool) -> None:
        ann = await someone(store, profile=profile)

        async def write(n: int) -> list[str]:
            async with store.work() as w:
                user = await w.users.get(ann)
                assert user is not None
                changed = user.own_profile(START).change({"bio": str(n)}, START)["bio"]
                await asyncio.sleep(0.02)
                await w.commit()
            assert isinstance(changed, list)
            return changed

        steps = await asyncio.gather(*(write(n) for n in range(1, 7)))

        assert {old for old, _ in steps} == {"", *(new for _, new in steps)} - {await bio_of(store, ann)}


async def bio_of(store: Store, user: UserId) -> str:
    card = await store.reading.profile(user)
    assert card is not None
    return card.bio


async def told(store: Store, user: UserId, *titles: str) -> None:
    async with store.work() as w:
        for n, title in enumerate(titles):
            await w.notifications.add(user, title, f"about {title}", "info", START + timedelta(seconds=n))
        await w.commit()


async def mark_read(store: Store, user: UserId, number: int) -> bool:
    async with store.work() as w:
        found = await w.notifications.mark_read(user, number)
        await w.commit()
    return found


def titles(inbox: Inbox) -> list[str]:
    return [line.title for line in inbox.items]


class TestInbox:
    async def test_is_the_owners_newest_first_in_pages_that_know_the_totals(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        await told(store, ann, "a", "b", "c", "d")
        await told(store, ben, "x")
        for offset, seen in ((0, ["d", "c"]), (2, ["b", "a"]), (4, [])):
            inbox = await store.reading.inbox(ann, 2, offset, unread_only=False)
            assert (titles(inbox), inbox.total, inbox.unread) == (seen, 4, 4)

    async def test_counts_what_is_asked_for_and_what_is_unread(self, store: Store) -> None:
        ann = await someone(store)
        await told(store, ann, "a", "b", "c")
        newest = (await store.reading.inbox(ann, 1, 0, unread_only=False)).items[0]
        assert await mark_read(store, ann, newest.id)

        everything = await store.reading.inbox(ann, 10, 0, unread_only=False)
        unread = await store.reading.inbox(ann, 10, 0, unread_only=True)
        assert (titles(everything), everything.total, everything.unread) == (["c", "b", "a"], 3, 2)
        assert (titles(unread), unread.total, unread.unread) == (["b", "a"], 2, 2)
        assert [line.is_read for line in everything.items] == [True, False, False]

    async def test_shows_all_of_a_notification(self, store: Store) -> None:
        ann = await someone(store)
        await told(store, ann, "a")
        (line,) = (await store.reading.inbox(ann, 10, 0, unread_only=False)).items

        assert line == NotificationLine(line.id, "a", "about a", "info", is_read=False, created_at=START)

    async def test_of_nobody_is_empty(self, store: Store) -> None:
        for unread_only in (False, True):
            assert await store.reading.inbox(NOBODY, 10, 0, unread_only=unread_only) == Inbox(0, 0, [])

    async def test_marking_is_for_the_owner_alone_and_may_be_done_twice(self, store: Store) -> None:
        ann, ben = await someone(store), await someone(store, "ben")
        await told(store, ann, "a")
        number = (await store.reading.inbox(ann, 1, 0, unread_only=False)).items[0].id

        assert not await mark_read(store, ben, number)
        assert not await mark_read(store, ann, number + 1000)
        assert [await mark_read(store, ann, number) for _ in range(2)] == [True, True]
        assert (await store.reading.inbox(ann, 1, 0, unread_only=False)).unread == 0


class TestTutorRequests:
    async def test_what_waits_is_found_until_it_is_decided(self, store: Store) -> None:
        ann = await someone(store)
        async with store.work() as w:
            w.tutor_requests.add(TutorRequest(user_id=ann, reason="x", created_at=START))
            await w.commit()
        async with store.work() as w:
            waiting = await w.tutor_requests.pending_of(ann)
            assert waiting is not None
            assert await w.tutor_requests.pending_of(NOBODY) is None
            waiting.decide(RequestStatus.REJECTED, "ada@example.org", START)
            await w.commit()
        async with store.work() as w:
            assert await w.tutor_requests.pending_of(ann) is None

    async def test_of_many_who_ask_at_once_for_one_user_one_finds_nothing_waiting(self, store: Store) -> None:
        ann = await someone(store)

        async def ask() -> bool:
            async with store.work() as w:
                await w.users.get(ann)
                if await w.tutor_requests.pending_of(ann):
                    return False
                w.tutor_requests.add(TutorRequest(user_id=ann, reason="", created_at=START))
                await w.commit()
            return True

        assert sum(await asyncio.gather(*(ask() for _ in range(8)))) == 1
