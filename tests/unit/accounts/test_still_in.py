from domain.user import Status
from tests.fakes.credentials import LIFE
from tests.unit.accounts.desk import Desk


async def test_a_living_token_may_stay_without_being_kept_alive(desk: Desk) -> None:
    await desk.someone()
    token, claims = await desk.signed_in()
    for _ in range(4):
        assert await desk.still_in(claims) == claims
        desk.later(hours=1)
    desk.later(minutes=59)
    assert await desk.still_in(claims) == claims
    assert (await desk.caller(token)).claims == claims


async def test_a_login_that_was_ended_may_not(desk: Desk) -> None:
    await desk.someone()
    _, claims = await desk.signed_in()
    await desk.logout(claims)
    assert await desk.still_in(claims) is None


async def test_nor_one_that_another_replaced(desk: Desk) -> None:
    await desk.someone()
    _, first = await desk.signed_in()
    _, second = await desk.signed_in()
    assert await desk.still_in(first) is None
    assert await desk.still_in(second) == second


async def test_nor_one_that_the_database_revoked_although_redis_could_not_be_told(desk: Desk) -> None:
    ann = await desk.someone()
    _, claims = await desk.signed_in()
    desk.sessions.down = True
    await desk.log_out_everywhere(ann.id)
    assert await desk.still_in(claims) is None


async def test_nor_who_is_banned_or_gone(desk: Desk) -> None:
    ann = await desk.someone()
    _, claims = await desk.signed_in()
    await desk.set_status(ann, Status.BANNED)
    assert await desk.still_in(claims) is None
    desk.tables.users.clear()
    assert await desk.still_in(claims) is None


async def test_a_token_past_its_grace_is_followed_to_its_successors(desk: Desk) -> None:
    await desk.someone()
    token, claims = await desk.signed_in()
    asked_about = claims
    for _ in range(2):
        desk.clock.pass_(LIFE.life / 2)
        successor = await desk.refresh(await desk.caller(token))
        assert successor is not None
        assert await desk.still_in(asked_about) == asked_about
        await desk.caller(successor.token)  # its first use: the older one has a minute left
        desk.later(seconds=61)
        found = await desk.still_in(asked_about)
        assert found == successor.claims
        token, asked_about = successor.token, found
    await desk.logout(asked_about)
    assert await desk.still_in(asked_about) is None


async def test_a_token_that_ended_by_itself_shows_nobody_out(desk: Desk) -> None:
    ann = await desk.someone()
    _, claims = await desk.signed_in()
    desk.clock.pass_(LIFE.life)
    assert await desk.still_in(claims) == claims
    await desk.log_out_everywhere(ann.id)
    assert await desk.still_in(claims) is None


async def test_nor_does_an_outage(desk: Desk) -> None:
    await desk.someone()
    _, claims = await desk.signed_in()
    for store in (desk.sessions, desk.database):
        store.down = True
        assert await desk.still_in(claims) == claims
        store.down = False
