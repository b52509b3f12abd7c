from datetime import timedelta

import jwt
import pytest

from application.accounts.authenticate import BadHeader, WrongScheme
from application.ports.credentials import ForgedToken, MalformedToken, TokenExpired, WrongTokenType
from domain.errors import DomainError, StorageUnavailable, Unauthenticated
from domain.user import AccountBanned, Role, Status, TokenDead, UserId
from tests.fakes.credentials import LIFE, some_tokens
from tests.unit.accounts.desk import ANN, Desk

EXPECTED = "Expected 'Authorization: Bearer <JWT>'"


class TestHeader:
    @pytest.mark.parametrize(
        ("header", "refusal", "msg"),
        [
            (None, Unauthenticated, "Missing Authorization Header"),
            ("", Unauthenticated, "Missing Authorization Header"),
            ("Basic YQ==", WrongScheme, f"Missing 'Bearer' type in 'Authorization' header. {EXPECTED}"),
            ("token", WrongScheme, f"Missing 'Bearer' type in 'Authorization' header. {EXPECTED}"),
            ("Bearer", BadHeader, f"Bad Authorization header. {EXPECTED}"),
            ("Bearer ", BadHeader, f"Bad Authorization header. {EXPECTED}"),
            ("Bearer a b", BadHeader, f"Bad Authorization header. {EXPECTED}"),
            ("Bearer null", MalformedToken, "Not enough segments"),
            ("bearer a.b", MalformedToken, "Not enough segments"),
            ("Bearer a.b.c", ForgedToken, "Signature verification failed"),
        ],
    )
    async def test_is_judged_before_anything_is_asked(
        self, desk: Desk, header: str | None, refusal: type[DomainError], msg: str
    ) -> None:
        desk.sessions.down = desk.database.down = True
        with pytest.raises(refusal) as told:
            await desk.authenticate(header)
        assert (type(told.value), told.value.msg) == (refusal, msg)

    async def test_may_spell_the_scheme_any_way(self, desk: Desk) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        for header in (f"bearer {token}", f"BEARER  {token} "):
            assert (await desk.authenticate(header)).claims == claims


class TestToken:
    async def test_of_another_type_is_told_before_its_expiry(self, desk: Desk) -> None:
        refresh = jwt.encode({"type": "refresh", "exp": 1}, "k" * 32, algorithm="HS256")
        with pytest.raises(WrongTokenType, match="Only access tokens are allowed"):
            await desk.authenticate(f"Bearer {refresh}")

    async def test_that_expired_is_told_so_though_it_is_dead_too(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        desk.later(hours=5)
        with pytest.raises(TokenExpired, match="Token has expired"):
            await desk.authenticate(f"Bearer {token}")

    async def test_that_was_never_opened_is_dead(self, desk: Desk) -> None:
        ann = await desk.someone()
        claims = LIFE.first(ann.id, desk.clock.now(), desk.clock.now())
        token = desk.tokens.sign(claims, ann.email, ann.role)
        with pytest.raises(TokenDead, match=r"Token is invalid or expired\."):
            await desk.authenticate(f"Bearer {token}")

    async def test_of_somebody_elses_key_is_forged(self, desk: Desk) -> None:
        claims = LIFE.first(UserId(1), desk.clock.now(), desk.clock.now())
        token = some_tokens("x" * 32).sign(claims, ANN, Role.STUDENT)
        with pytest.raises(ForgedToken):
            await desk.authenticate(f"Bearer {token}")

    async def test_of_a_dead_session_is_dead_even_for_a_banned_account(self, desk: Desk) -> None:
        ann = await desk.someone()
        token, claims = await desk.signed_in()
        await desk.sessions.close(claims)
        await desk.set_status(ann, Status.BANNED)
        with pytest.raises(TokenDead):
            await desk.authenticate(f"Bearer {token}")


class TestAccount:
    async def test_is_read_from_the_database_not_from_the_token(self, desk: Desk) -> None:
        ann = await desk.someone()
        token, _ = await desk.signed_in()
        async with desk.work() as w:
            found = await w.users.get(ann.id)
            assert found is not None
            found.role, found.email = Role.ADMIN, "new@example.org"
            await w.commit()
        account = (await desk.authenticate(f"Bearer {token}")).account
        assert (account.role, account.email) == (Role.ADMIN, "new@example.org")

    async def test_that_is_gone_has_a_dead_token(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        desk.tables.users.clear()
        with pytest.raises(TokenDead):
            await desk.authenticate(f"Bearer {token}")

    async def test_that_is_banned_is_told(self, desk: Desk) -> None:
        ann = await desk.someone()
        token, _ = await desk.signed_in()
        await desk.set_status(ann, Status.BANNED)
        with pytest.raises(AccountBanned, match=r"This account has been suspended\."):
            await desk.authenticate(f"Bearer {token}")


class TestRevocation:
    async def test_with_a_change_in_the_database_counts_whatever_redis_says(self, desk: Desk) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        async with desk.work() as w:
            found = await w.users.get(claims.user)
            assert found is not None
            found.revoke_tokens(desk.clock.now())
            await w.commit()
        assert await desk.sessions.is_alive(claims, desk.clock.now(), active=False)
        with pytest.raises(TokenDead):
            await desk.authenticate(f"Bearer {token}")

    async def test_leaves_the_next_login_alone_even_in_the_same_second(self, desk: Desk) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        await desk.log_out_everywhere((await desk.caller(token)).account.id)
        again, _ = await desk.signed_in()
        assert (await desk.caller(again)).account.email == ANN


class TestIdleLimit:
    async def test_is_put_off_by_activity_not_by_polling(self, desk: Desk) -> None:
        desk.sessions.idle = timedelta(minutes=30)
        await desk.someone()
        token, _ = await desk.signed_in()
        for _ in range(3):
            desk.later(minutes=20)
            await desk.authenticate(f"Bearer {token}")
        desk.later(minutes=20)
        await desk.authenticate(f"Bearer {token}", active=False)
        desk.later(minutes=20)
        with pytest.raises(TokenDead):
            await desk.authenticate(f"Bearer {token}")


class TestOutage:
    async def test_lets_nobody_in(self, desk: Desk) -> None:
        await desk.someone()
        token, claims = await desk.signed_in()
        for down in (desk.sessions, desk.database):
            down.down = True
            with pytest.raises(StorageUnavailable):
                await desk.authenticate(f"Bearer {token}")
            down.down = False
        assert desk.authenticate.claims(f"Bearer {token}") == claims
