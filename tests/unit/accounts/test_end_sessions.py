from domain.user import UserId
from tests.unit.accounts.desk import Desk


async def test_replies_are_stopped_also_when_the_sessions_cannot_be_reached(desk: Desk) -> None:
    desk.sessions.down = True
    await desk.end_sessions(UserId(1), replies=True)
    assert desk.stops.stopped_users == [UserId(1)]


async def test_the_avatar_is_given_back_also_when_the_sessions_cannot_be_reached(desk: Desk) -> None:
    await desk.with_avatar(UserId(1))
    desk.sessions.down = True
    await desk.end_sessions(UserId(1), replies=False)
    assert await desk.avatars.of(UserId(1)) is None


async def test_without_redis_it_ends_all_the_same(desk: Desk) -> None:
    await desk.with_avatar(UserId(1))
    desk.avatars.down = True
    await desk.end_sessions(UserId(1), replies=True)
    assert desk.stops.stopped_users == [UserId(1)]
