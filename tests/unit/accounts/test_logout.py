import pytest

from domain.errors import StorageUnavailable
from domain.user import Status, TokenDead
from tests.fakes.credentials import LIFE
from tests.unit.accounts.desk import ANN, IP, PASSWORD, Desk


async def test_ends_the_token_and_the_presence(desk: Desk) -> None:
    ann = await desk.someone()
    token, claims = await desk.signed_in()
    await desk.logout(claims)
    with pytest.raises(TokenDead):
        await desk.authenticate(f"Bearer {token}")
    assert desk.user().status is Status.INACTIVE
    assert [(line.action, line.target) for line in desk.tables.log] == [("login", ann.id), ("logout", ann.id)]


async def test_twice_is_fine_and_told_once(desk: Desk) -> None:
    await desk.someone()
    _, claims = await desk.signed_in()
    await desk.logout(claims)
    await desk.logout(claims)
    assert [line.action for line in desk.tables.log] == ["login", "logout"]


async def test_who_is_still_logged_in_elsewhere_stays_active() -> None:
    desk = Desk(single_session=False)
    await desk.someone()
    (_, first), (_, second) = await desk.signed_in(), await desk.signed_in()
    await desk.logout(first)
    assert desk.user().status is Status.ACTIVE
    await desk.logout(second)
    assert desk.user().status is Status.INACTIVE


async def test_a_replaced_token_ends_nothing(desk: Desk) -> None:
    await desk.someone()
    (_, first), (token, _) = await desk.signed_in(), await desk.signed_in()
    await desk.logout(first)
    assert desk.user().status is Status.ACTIVE
    await desk.authenticate(f"Bearer {token}")


async def test_lifts_no_ban(desk: Desk) -> None:
    ann = await desk.someone()
    _, claims = await desk.signed_in()
    await desk.set_status(ann, Status.BANNED)
    await desk.logout(claims)
    assert desk.user().status is Status.BANNED


async def test_of_a_vanished_account_is_fine(desk: Desk) -> None:
    await desk.someone()
    _, claims = await desk.signed_in()
    desk.tables.users.clear()
    await desk.logout(claims)
    assert [line.action for line in desk.tables.log] == ["login"]


async def test_an_outage_is_told(desk: Desk) -> None:
    await desk.someone()
    await desk.login(ANN, PASSWORD, IP)
    _, claims = await desk.signed_in()
    desk.sessions.down = True
    with pytest.raises(StorageUnavailable):
        await desk.logout(claims)


async def test_with_a_token_past_its_grace_ends_the_login_session_all_the_same(desk: Desk) -> None:
    await desk.someone()
    token, claims = await desk.signed_in()
    desk.clock.pass_(LIFE.life / 2)
    successor = await desk.refresh(await desk.caller(token))
    assert successor is not None
    await desk.caller(successor.token)
    desk.later(seconds=61)
    await desk.logout(claims)
    with pytest.raises(TokenDead):
        await desk.caller(successor.token)
    assert desk.user().status is Status.INACTIVE
    assert [line.action for line in desk.tables.log] == ["login", "logout"]


async def test_what_could_not_be_stored_is_done_the_next_time(desk: Desk) -> None:
    await desk.someone()
    _, claims = await desk.signed_in()
    desk.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await desk.logout(claims)
    assert desk.user().status is Status.ACTIVE
    for _ in range(2):
        await desk.logout(claims)
    assert desk.user().status is Status.INACTIVE
    assert [line.action for line in desk.tables.log] == ["login", "logout"]


async def test_who_came_back_meanwhile_is_there(desk: Desk) -> None:
    """The old session has ended, and before that is stored a new one begins."""
    await desk.someone()
    _, claims = await desk.signed_in()
    desk.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await desk.logout(claims)
    desk.later(seconds=1)
    await desk.signed_in()
    await desk.logout(claims)
    assert desk.user().status is Status.ACTIVE


async def test_the_last_one_gives_the_avatar_back() -> None:
    desk = Desk(single_session=False)
    ann = await desk.someone()
    (_, first), (_, second) = await desk.signed_in(), await desk.signed_in()
    await desk.with_avatar(ann.id)
    await desk.logout(first)
    assert await desk.avatars.of(ann.id)
    await desk.logout(second)
    assert await desk.avatars.of(ann.id) is None
