import pytest

from application.accounts.mark_absent import MarkAbsent
from domain.errors import StorageUnavailable
from domain.user import Status
from tests.unit.accounts.desk import ANN, BEN, Desk


def mark_absent(desk: Desk) -> MarkAbsent:
    return MarkAbsent(work=desk.work, reading=desk.reading, sessions=desk.sessions, clock=desk.clock)


async def test_whose_sessions_ended_by_themselves_is_inactive(desk: Desk) -> None:
    for email in (ANN, BEN):
        await desk.someone(email)
    await desk.signed_in(ANN)
    desk.later(hours=4)
    await desk.signed_in(BEN)
    desk.later(hours=2)
    assert await mark_absent(desk)() == 1
    assert [desk.user(email).status for email in (ANN, BEN)] == [Status.INACTIVE, Status.ACTIVE]
    assert await mark_absent(desk)() == 0


async def test_who_is_just_coming_in_is_left_alone(desk: Desk) -> None:
    """The login is stored, its token not open yet."""
    ann = await desk.someone()
    await desk.signed_in()
    await desk.sessions.close_all(ann.id)
    desk.later(seconds=50)
    assert await mark_absent(desk)() == 0
    desk.later(seconds=20)
    assert await mark_absent(desk)() == 1


async def test_a_ban_and_who_never_came_stay_as_they_are(desk: Desk) -> None:
    banned = await desk.someone(ANN)
    await desk.someone(BEN, status=Status.ACTIVE)
    await desk.signed_in(ANN)
    await desk.set_status(banned, Status.BANNED)
    desk.later(hours=9)
    assert await mark_absent(desk)() == 0
    assert [desk.user(email).status for email in (ANN, BEN)] == [Status.BANNED, Status.ACTIVE]


async def test_an_outage_makes_nobody_absent(desk: Desk) -> None:
    await desk.someone()
    await desk.signed_in()
    desk.later(hours=1)
    desk.sessions.down = True
    with pytest.raises(StorageUnavailable):
        await mark_absent(desk)()
    assert desk.user().status is Status.ACTIVE
