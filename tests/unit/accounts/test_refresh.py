import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from application.accounts.refresh import Successor
from application.accounts.token_life import TokenLife
from domain.errors import StorageUnavailable
from domain.user import TokenDead, UserId
from tests.fakes.clock import START
from tests.fakes.credentials import LIFE
from tests.unit.accounts.desk import ANN, Desk

HALF = LIFE.life / 2


async def refreshed(desk: Desk, token: str) -> Successor:
    successor = await desk.refresh(await desk.caller(token))
    assert successor is not None
    return successor


class TestSuccessor:
    async def test_comes_in_the_second_half_of_a_tokens_life_only(self, desk: Desk) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        desk.clock.pass_(HALF - timedelta(seconds=1))
        asked = desk.sessions.asked
        caller = await desk.caller(token)
        assert await desk.refresh(caller) is None
        assert desk.sessions.asked == asked + 1  # the guard's; nothing more is asked meanwhile
        desk.later(seconds=1)
        successor = await refreshed(desk, token)
        assert successor.claims.expires_at == desk.clock.now() + LIFE.life
        assert successor.claims.auth_time == claims.auth_time

    async def test_is_one_and_the_same_for_all_who_ask(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        desk.clock.pass_(HALF)
        texts = {s.token for s in await asyncio.gather(*(refreshed(desk, token) for _ in range(20)))}
        desk.later(minutes=10)
        texts.add((await refreshed(desk, token)).token)
        assert len(texts) == 1
        assert (await desk.caller(texts.pop())).account.email == ANN

    async def test_is_named_but_not_made_for_who_only_polls(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        desk.clock.pass_(HALF)
        caller = await desk.caller(token)
        assert await desk.refresh(caller, create=False) is None
        made = await refreshed(desk, token)
        assert await desk.refresh(caller, create=False) == made

    async def test_may_have_a_successor_of_its_own(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        for _ in range(5):
            desk.clock.pass_(HALF)
            token = (await refreshed(desk, token)).token
        assert (await desk.caller(token)).account.email == ANN


class TestAbsoluteLimit:
    async def test_ends_every_login_session(self, desk: Desk) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        end = claims.auth_time + LIFE.session_max
        while desk.clock.now() < end - timedelta(minutes=1):
            desk.later(minutes=30)
            successor = await desk.refresh(await desk.caller(token))
            if successor is not None:
                token, claims = successor.token, successor.claims
            assert claims.expires_at <= end
            if claims.expires_at == end:
                break
        desk.later(minutes=10)
        assert await desk.refresh(await desk.caller(token)) is None


class TestGrace:
    async def test_begins_when_the_successor_is_first_used(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        desk.clock.pass_(HALF)
        successor = await refreshed(desk, token)
        desk.later(minutes=30)
        await desk.caller(token)
        await desk.caller(successor.token)
        desk.later(seconds=59)
        assert await refreshed(desk, token) == successor
        desk.later(seconds=1)
        with pytest.raises(TokenDead):
            await desk.caller(token)
        await desk.caller(successor.token)


class TestEnd:
    async def test_of_one_is_the_end_of_both(self, desk: Desk) -> None:
        await desk.someone()
        for presented in (0, 1):
            token, claims = await desk.signed_in()
            desk.clock.pass_(HALF)
            successor = await refreshed(desk, token)
            await desk.logout((claims, successor.claims)[presented])
            for dead in (token, successor.token):
                with pytest.raises(TokenDead):
                    await desk.caller(dead)

    async def test_a_token_that_died_meanwhile_gets_none(self, desk: Desk) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        desk.clock.pass_(HALF)
        caller = await desk.caller(token)
        await desk.logout(claims)
        assert await desk.refresh(caller) is None

    async def test_an_outage_is_told(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        desk.clock.pass_(HALF)
        caller = await desk.caller(token)
        desk.sessions.down = True
        with pytest.raises(StorageUnavailable):
            await desk.refresh(caller)


def test_numbers_of_tokens_are_random_and_never_the_same() -> None:
    """TK-13: at least 122 bits from the system's source."""
    life = TokenLife(timedelta(hours=1), timedelta(days=7))
    found = [life.first(UserId(1), START, START).jti for _ in range(1000)]
    assert len(set(found)) == 1000
    assert {UUID(jti).version for jti in found} == {4}
