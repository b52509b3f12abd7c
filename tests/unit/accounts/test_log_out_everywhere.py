import pytest

from domain.errors import StorageUnavailable
from domain.user import Status, TokenDead, UserId
from tests.unit.accounts.desk import BEN, Desk


async def test_ends_all_logins_of_the_account_and_no_others() -> None:
    desk = Desk(single_session=False)
    ann = await desk.someone()
    await desk.someone(BEN)
    tokens = [(await desk.signed_in())[0] for _ in range(3)]
    bens, _ = await desk.signed_in(BEN)
    await desk.log_out_everywhere(ann.id)
    for token in tokens:
        with pytest.raises(TokenDead):
            await desk.caller(token)
    await desk.caller(bens)
    assert desk.user().status is Status.INACTIVE
    line = desk.tables.log[-1]
    assert (line.action, line.target, line.details) == ("logout", ann.id, {"sessions": "all"})
    assert desk.stops.stopped_users == []


async def test_holds_although_redis_cannot_be_told(desk: Desk) -> None:
    ann = await desk.someone()
    token, _ = await desk.signed_in()
    desk.sessions.down = True
    await desk.log_out_everywhere(ann.id)
    desk.sessions.down = False
    with pytest.raises(TokenDead):
        await desk.caller(token)


async def test_lifts_no_ban(desk: Desk) -> None:
    ann = await desk.someone(status=Status.BANNED)
    await desk.log_out_everywhere(ann.id)
    assert desk.user().status is Status.BANNED


async def test_without_the_database_changes_nothing(desk: Desk) -> None:
    ann = await desk.someone()
    token, _ = await desk.signed_in()
    desk.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await desk.log_out_everywhere(ann.id)
    await desk.caller(token)


async def test_of_a_vanished_account_is_told(desk: Desk) -> None:
    with pytest.raises(TokenDead):
        await desk.log_out_everywhere(UserId(7))
