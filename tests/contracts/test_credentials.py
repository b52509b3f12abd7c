"""Passwords and tokens."""

import asyncio
import base64
import json
import time as wall
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from argon2 import PasswordHasher as Argon2

from adapters.argon2.hasher import Argon2Hasher
from adapters.jwt.tokens import JwtTokens
from application.ports.credentials import (
    ForgedToken,
    MalformedToken,
    PasswordHasher,
    TokenExpired,
    WrongTokenType,
)
from domain.user import Role, User, UserId
from tests.builders import a_user
from tests.fakes.clock import START
from tests.fakes.credentials import FakePasswordHasher

KEY, OLD_KEY = "k" * 32, "o" * 32
HOUR = timedelta(hours=1)


@pytest.fixture(params=["fake", "argon2"])
def hasher(request: pytest.FixtureRequest) -> Iterator[PasswordHasher]:
    if request.param == "fake":
        yield FakePasswordHasher()
        return
    real = Argon2Hasher()
    yield real
    real.close()


class TestPasswords:
    async def test_fit_their_own_hash_only(self, hasher: PasswordHasher) -> None:
        hash = await hasher.hash("pässword 密码")
        assert await hasher.verify("pässword 密码", hash)
        assert not await hasher.verify("pässword 密碼", hash)
        assert not hasher.outdated(hash)

    async def test_alike_have_different_hashes(self, hasher: PasswordHasher) -> None:
        assert await hasher.hash("same") != await hasher.hash("same")

    async def test_of_nobody_never_fit(self, hasher: PasswordHasher) -> None:
        assert not await hasher.verify("nobody has this password", None)
        assert not await hasher.verify("", None)

    async def test_never_fit_what_is_no_hash(self, hasher: PasswordHasher) -> None:
        assert not await hasher.verify("anything", "")
        assert not await hasher.verify("anything", "no hash")


class TestArgon2:
    @pytest.fixture
    def argon2(self) -> Iterator[Argon2Hasher]:
        real = Argon2Hasher()
        yield real
        real.close()

    async def test_keeps_the_agreed_strength(self, argon2: Argon2Hasher) -> None:
        hash = await argon2.hash("x")
        assert hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert len(hash) <= 255

    async def test_a_weaker_hash_is_outdated(self, argon2: Argon2Hasher) -> None:
        assert argon2.outdated(Argon2(time_cost=1, memory_cost=1024, parallelism=1).hash("x"))

    async def test_nobody_takes_as_long_as_somebody(self, argon2: Argon2Hasher) -> None:
        hash = await argon2.hash("x")

        async def seconds(hash: str | None) -> float:
            times = []
            for _ in range(7):
                begun = wall.perf_counter()
                await argon2.verify("y", hash)
                times.append(wall.perf_counter() - begun)
            return min(times)

        somebody, nobody = await seconds(hash), await seconds(None)
        assert 0.4 < nobody / somebody < 2.5

    async def test_the_loop_goes_on_while_it_works(self, argon2: Argon2Hasher) -> None:
        hashing = asyncio.gather(*(argon2.hash("x") for _ in range(8)))
        turns = 0
        while not hashing.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 5


def ann(role: Role = Role.STUDENT) -> User:
    user = a_user(role=role)
    user.id = UserId(7)
    return user


def tokens(previous: str | None = None, key: str = KEY) -> JwtTokens:
    return JwtTokens(key, HOUR, previous)


def signed(key: str = KEY, algorithm: str = "HS256", **changed: Any) -> str:
    """A good token but for what is changed; None leaves a claim out."""
    fields: dict[str, Any] = {
        "sub": "7",
        "type": "access",
        "jti": str(uuid4()),
        "iat": START,
        "nbf": START,
        "exp": START + HOUR,
        "auth_time": int(START.timestamp()),
    }
    fields = {name: value for name, value in {**fields, **changed}.items() if value is not None}
    return jwt.encode(fields, key, algorithm=algorithm)


def tampered(token: str, **changed: object) -> str:
    head, body, signature = token.split(".")
    fields = json.loads(base64.urlsafe_b64decode(body + "=="))
    body = base64.urlsafe_b64encode(json.dumps({**fields, **changed}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


class TestTokens:
    def test_say_what_they_were_issued_for(self) -> None:
        jti = uuid4()
        token, claims = tokens().issue(ann(Role.TUTOR), jti, START + timedelta(microseconds=5))
        assert tokens().read(token, START) == claims
        assert (claims.user, claims.jti, claims.issued_at) == (7, str(jti), START)
        assert (claims.expires_at, claims.auth_time) == (START + HOUR, START)

    def test_carry_the_claims_of_the_contract(self) -> None:
        token, _ = tokens().issue(ann(Role.TUTOR), UUID(int=1), START)
        at = int(START.timestamp())
        assert jwt.decode(token, options={"verify_signature": False}) == {
            **{"sub": "7", "email": "ann@example.org", "role": "tutor", "type": "access", "fresh": False},
            **{"jti": str(UUID(int=1)), "iat": at, "nbf": at, "exp": at + 3600, "auth_time": at},
        }
        assert jwt.get_unverified_header(token)["alg"] == "HS256"

    def test_are_deterministic(self) -> None:
        one, other = (tokens().issue(ann(), UUID(int=1), START)[0] for _ in range(2))
        assert one == other

    def test_end_at_their_time(self) -> None:
        token, claims = tokens().issue(ann(), uuid4(), START)
        assert tokens().read(token, claims.expires_at - timedelta(seconds=1)) == claims
        with pytest.raises(TokenExpired):
            tokens().read(token, claims.expires_at)

    @pytest.mark.parametrize("token", ["null", "", "a.b", "a.b.c.d", "undefined", ".", "é"])
    def test_have_three_segments(self, token: str) -> None:
        with pytest.raises(MalformedToken):
            tokens().read(token, START)

    @pytest.mark.parametrize(
        "token",
        [
            "a.b.c",
            "..",
            "é.ü.ö",
            signed("x" * 32),
            signed(algorithm="HS512", key="k" * 64),
            signed(sub="nobody"),
            signed(sub=None),
            signed(sub="9" * 5000),
            signed(jti="no uuid"),
            signed(jti=None),
            signed(exp=None),
            signed(exp=10**30),
            signed(auth_time="yesterday"),
            signed(auth_time=[]),
            tampered(signed(), sub="1"),
            tampered(signed(), exp=10**12),
            signed() + "A" * 5000,
        ],
    )
    def test_that_nobody_here_signed_are_forged(self, token: str) -> None:
        with pytest.raises(ForgedToken):
            tokens().read(token, START)

    def test_without_an_algorithm_are_forged(self) -> None:
        head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
        body = signed().split(".")[1]
        for signature in ("", "x"):
            with pytest.raises(ForgedToken):
                tokens().read(f"{head}.{body}.{signature}", START)

    @pytest.mark.parametrize("kind", ["refresh", None, 7, ""])
    def test_of_another_type_are_wrong_also_when_expired(self, kind: object) -> None:
        with pytest.raises(WrongTokenType):
            tokens().read(signed(type=kind), START + 2 * HOUR)

    def test_do_not_need_the_claims_that_only_inform(self) -> None:
        assert tokens().read(signed(email=None, role=None), START).user == 7

    def test_of_the_former_key_are_good_while_it_is_known(self) -> None:
        old = signed(OLD_KEY)
        assert tokens(previous=OLD_KEY).read(old, START).user == 7
        assert tokens(previous=OLD_KEY).read(signed(), START).user == 7
        with pytest.raises(ForgedToken):
            tokens().read(old, START)

    def test_tell_which_key_signed_them_but_not_the_key(self) -> None:
        token, _ = tokens().issue(ann(), uuid4(), START)
        other, _ = tokens(key=OLD_KEY).issue(ann(), uuid4(), START)
        kid, other_kid = (jwt.get_unverified_header(one)["kid"] for one in (token, other))
        assert kid != other_kid
        assert KEY not in kid
