from domain.user import UserId
from tests.unit.accounts.desk import Desk


async def test_replies_are_stopped_also_when_the_sessions_cannot_be_reached(desk: Desk) -> None:
    desk.sessions.down = True
    await desk.end_sessions(UserId(1), replies=True)
    assert desk.stops.stopped_users == [UserId(1)]
