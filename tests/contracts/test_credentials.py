"""Passwords and tokens."""

import asyncio
import base64
import json
import os
import threading
import time as wall
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from argon2 import PasswordHasher as Argon2

from adapters.argon2.hasher import Argon2Hasher, share_of
from adapters.jwt.tokens import JwtTokens
from application.ports.credentials import (
    Claims,
    ForgedToken,
    MalformedToken,
    PasswordHasher,
    TokenExpired,
    WrongTokenType,
)
from domain.user import Role, UserId
from tests.fakes.clock import START
from tests.fakes.credentials import FakePasswordHasher

KEY, OLD_KEY = "k" * 32, "o" * 32
JTI = "8a1f3c52-6f0e-4c55-9d3c-0d6a5c1f7b21"
HOUR = timedelta(hours=1)


@pytest.fixture(params=["fake", "argon2"])
def hasher(request: pytest.FixtureRequest) -> Iterator[PasswordHasher]:
    if request.param == "fake":
        yield FakePasswordHasher()
        return
    real = Argon2Hasher(2)
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

    async def test_are_hashed_together_as_alone(self, hasher: PasswordHasher) -> None:
        words = [f"password {n}" for n in range(6)]
        hashes = await asyncio.gather(*(hasher.hash(word) for word in words))
        fits = [hasher.verify(word, hash) for word in words for hash in hashes]
        assert sum(await asyncio.gather(*fits)) == len(words)

    async def test_cut_short_or_prolonged_do_not_fit(self, hasher: PasswordHasher) -> None:
        password = "x" * 72 + "y" * 56
        hash = await hasher.hash(password)
        for other in (password[:72], password[:-1], password + "y", password + " ", password.upper()):
            assert not await hasher.verify(other, hash)


class TestArgon2:
    @pytest.fixture
    def argon2(self) -> Iterator[Argon2Hasher]:
        real = Argon2Hasher(2)
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

    async def test_works_on_so_many_at_once_and_no_more(self) -> None:
        for at_once in (1, 3):
            others = set(threading.enumerate())
            hasher = Argon2Hasher(at_once)
            working = asyncio.gather(*(hasher.hash("x") for _ in range(8)))
            threads: set[threading.Thread] = set()
            while not working.done():
                threads |= {t for t in threading.enumerate() if t.name.startswith("argon2")} - others
                await asyncio.sleep(0.005)
            assert len(threads) == at_once
            hasher.close()
            for thread in threads:
                thread.join()

    def test_leaves_a_core_to_others_and_is_shared_by_workers(self) -> None:
        cores = getattr(os, "process_cpu_count", os.cpu_count)() or 1
        assert share_of(1) == max(1, cores - 1)
        assert share_of(1000) == 1

    async def test_the_loop_goes_on_while_it_works(self, argon2: Argon2Hasher) -> None:
        hashing = asyncio.gather(*(argon2.hash("x") for _ in range(8)))
        turns = 0
        while not hashing.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 5


def claims(jti: str = JTI) -> Claims:
    return Claims(UserId(7), jti, START, START + HOUR, START - HOUR)


def tokens(previous: str | None = None, key: str = KEY) -> JwtTokens:
    return JwtTokens(key, previous)


def issued(key: str = KEY) -> str:
    return tokens(key=key).sign(claims(), "ann@example.org", Role.TUTOR)


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
    def test_say_what_they_were_signed_for(self) -> None:
        assert tokens().read(issued(), START) == claims()

    def test_carry_the_claims_of_the_contract(self) -> None:
        at = int(START.timestamp())
        assert jwt.decode(issued(), options={"verify_signature": False}) == {
            **{"sub": "7", "email": "ann@example.org", "role": "tutor", "type": "access", "fresh": False},
            **{"jti": JTI, "iat": at, "nbf": at, "exp": at + 3600, "auth_time": at - 3600},
        }
        assert jwt.get_unverified_header(issued())["alg"] == "HS256"

    def test_are_deterministic(self) -> None:
        assert issued() == issued()

    def test_end_at_their_time(self) -> None:
        end = START + HOUR
        assert tokens().read(issued(), end - timedelta(seconds=1)) == claims()
        with pytest.raises(TokenExpired):
            tokens().read(issued(), end)

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
        kid, other_kid = (jwt.get_unverified_header(issued(key))["kid"] for key in (KEY, OLD_KEY))
        assert kid != other_kid
        assert KEY not in kid
