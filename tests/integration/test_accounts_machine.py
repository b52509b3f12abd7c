"""Random sequences of everything that can happen to accounts, over two workers, against a model of the
contract's sections 1.7, 2.1, 2.3 and 6: who may do what, and which token lives."""

import asyncio
import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from dishka import Provider, Scope
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from typing_extensions import override

from application.ports.clock import Clock
from domain.user import Role
from entrypoints.admin import create_admin
from tests.conftest import Valkey
from tests.integration.house import PASSWORD, running, settings_for
from tests.migrated import migrated
from tests.servers.llm_service import LlmServiceServer

NAMES = ["ann", "ben", "cleo"]
SECOND_PASSWORD = "another good horse"
LIFE = timedelta(hours=5)
GRACE_S = 60
KEPT_TOKENS = 4  # of each account are looked at after each step

FORGET = """
for _, pattern in ipairs(ARGV) do
    for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('DEL', key) end
end
"""

EXPIRED = (401, "Token has expired")
DEAD = (401, "Token is invalid or expired.")
BANNED = (401, "This account has been suspended.")
FINE = (200, "")


class LaggingClock(Clock):
    """Runs like the real one, far behind it, and may be put forward."""

    def __init__(self) -> None:
        self.behind = timedelta(days=60)

    @override
    def now(self) -> datetime:
        return datetime.now(UTC) - self.behind


@dataclass(eq=False)
class Token:
    """What the model knows of a token; `judged` says what it opens."""

    text: str
    account: "Account"
    issued: datetime
    expires: datetime
    predecessor: "Token | None" = None
    successor: "Token | None" = None
    revoked: bool = False
    grace_from: float | None = None  # when its successor was first used, by this process's clock

    def judged(self, now: datetime) -> tuple[int, str] | None:
        """Status and message; None while it is uncertain (the grace runs by Redis's clock, not by ours)."""
        if now >= self.expires:
            return EXPIRED
        if self.revoked or self.account.deleted:
            return DEAD
        if self.grace_from is not None and time.monotonic() - self.grace_from > GRACE_S - 10:
            return None
        return BANNED if self.account.banned else FINE

    def kin(self) -> list["Token"]:
        return [token for token in (self, self.predecessor, self.successor) if token is not None]


@dataclass(eq=False)
class Account:
    email: str
    id: int
    password: str = PASSWORD
    role: Role = Role.STUDENT
    banned: bool = False
    deleted: bool = False
    tokens: list[Token] = field(default_factory=list)

    def revoke_all(self) -> None:
        for token in self.tokens:
            token.revoked = True


@dataclass(frozen=True)
class Town:
    """Two workers of one installation."""

    workers: tuple[httpx.Client, httpx.Client]
    redis: Redis
    clock: LaggingClock
    numbers: "itertools.count[int]"


class AccountsMachine(RuleBasedStateMachine):
    town: ClassVar[Town]

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, Account] = {}
        self.former: list[Account] = []  # deleted ones, whose tokens must stay dead
        self.turn = itertools.cycle(self.town.workers)

    @initialize()
    def move_in(self) -> None:
        self.n = next(self.town.numbers)
        for name in NAMES[:2]:  # something to begin with
            self.register(name, tutor=False)
            self.login(name, right=True)

    # --- what happens -----------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), tutor=st.booleans())
    def register(self, name: str, tutor: bool) -> None:
        email = self.email(name)
        if name in self.accounts:
            answer = self.call("POST", "/api/send_verification", json={"email": email})
            assert answer.status_code == 409, answer.text
            return
        code = self.code(email, "register")
        fields = {"email": email, "password": PASSWORD, "code": code}
        answer = self.call("POST", "/api/register", json=fields | {"role": "tutor" if tutor else "student"})
        assert answer.status_code == 201, answer.text
        assert answer.json().get("tutor_request") == ("pending" if tutor else None)
        (listed,) = self.admin("GET", "/api/admin/users", params={"search": email}).json()["users"]
        assert (listed["email"], listed["role"], listed["status"]) == (email, "student", "inactive")
        self.accounts[name] = Account(email, int(listed["id"].removeprefix("U")))

    @rule(name=st.sampled_from(NAMES), right=st.booleans())
    def login(self, name: str, right: bool) -> None:
        account = self.accounts.get(name)
        password = account.password if account and right else "a wrong one"
        answer = self.call("POST", "/api/login", json={"email": self.email(name), "password": password})
        if account is None or not right:
            assert (answer.status_code, answer.json()["msg"]) == (401, "Invalid credentials")
        elif account.banned:
            assert (answer.status_code, answer.json()["msg"]) == BANNED
        else:
            assert answer.status_code == 200, answer.text
            account.revoke_all()
            now = self.now()
            account.tokens.append(Token(answer.json()["token"], account, now, now + LIFE))

    @precondition(lambda self: self.tokens())
    @rule(data=st.data(), times=st.integers(1, 3))
    def work(self, data: st.DataObject, times: int) -> None:
        """Activity: it may bring a successor."""
        token = data.draw(st.sampled_from(self.tokens()))
        for _ in range(times):
            self.use(token)

    @precondition(lambda self: self.usable())
    @rule(data=st.data(), leave=st.sampled_from(["neither", "old", "new"]))
    def work_until_there_is_a_successor_and_change_to_it(self, data: st.DataObject, leave: str) -> None:
        token = data.draw(st.sampled_from(self.usable()))
        while token.judged(self.now()) == FINE and token.successor is None:
            self.use(token)
            self.time_passes(37)
        if token.successor is not None:
            self.use(token.successor)
            if leave != "neither":
                self.leave(token if leave == "old" else token.successor)

    @precondition(lambda self: any(token.successor for token in self.tokens()))
    @rule(data=st.data())
    def use_the_successor(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from([t for t in self.tokens() if t.successor]))
        assert token.successor is not None
        self.use(token.successor)

    @precondition(lambda self: self.usable())
    @rule(data=st.data(), twice=st.booleans())
    def log_out(self, data: st.DataObject, twice: bool) -> None:
        token = data.draw(st.sampled_from(self.usable()))
        for _ in range(1 + twice):
            self.leave(token)

    @precondition(lambda self: self.usable())
    @rule(data=st.data())
    def log_out_everywhere(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.usable()))
        assert told(self.call("POST", "/api/logout_all", token)) == FINE
        token.account.revoke_all()

    @precondition(lambda self: self.usable())
    @rule(data=st.data())
    def change_password(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.usable()))
        account = token.account
        fields = {"code": self.code(account.email, "update_password"), "new_password": SECOND_PASSWORD}
        answer = self.call("POST", "/api/update_password", token, json=fields)
        assert answer.status_code == 200, answer.text
        assert "x-new-token" not in answer.headers
        account.password = SECOND_PASSWORD
        account.revoke_all()

    @precondition(lambda self: self.accounts)
    @rule(data=st.data(), right=st.booleans())
    def reset_password(self, data: st.DataObject, right: bool) -> None:
        account = self.accounts[data.draw(st.sampled_from(sorted(self.accounts)))]
        code = self.code(account.email, "reset_password")
        code = code if right else f"{(int(code) + 1) % 1_000_000:06d}"
        fields = {"email": account.email, "code": code, "new_password": PASSWORD}
        answer = self.call("POST", "/api/reset_password", json=fields)
        if not right:
            assert told(answer) == (400, "Invalid or expired verification code")
            return
        assert answer.status_code == 200, answer.text
        account.password = PASSWORD
        account.revoke_all()

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def ban_or_pardon(self, data: st.DataObject) -> None:
        account = self.accounts[data.draw(st.sampled_from(sorted(self.accounts)))]
        status = "active" if account.banned else "banned"
        self.admin("PUT", f"/api/admin/users/{account.id}", json={"status": status})
        account.banned = not account.banned
        if account.banned:
            account.revoke_all()

    @precondition(lambda self: self.accounts)
    @rule(data=st.data(), role=st.sampled_from(Role))
    def change_role(self, data: st.DataObject, role: Role) -> None:
        account = self.accounts[data.draw(st.sampled_from(sorted(self.accounts)))]
        self.admin("PUT", f"/api/admin/users/{account.id}", json={"role": role.value})
        if role is not account.role:
            account.revoke_all()
        account.role = role

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def be_deleted(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.accounts)))
        account = self.accounts.pop(name)
        self.admin("DELETE", f"/api/admin/users/{account.id}")
        account.deleted = True
        self.former.append(account)

    @precondition(lambda self: self.usable())
    @rule(data=st.data())
    def delete_oneself(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.usable()))
        account = token.account
        fields = {"code": self.code(account.email, "delete_account")}
        answer = self.call("DELETE", "/api/user/delete_account", token, json=fields)
        assert answer.status_code == 200, answer.text  # root stays, so nobody is the last admin
        account.deleted = True
        self.former.append(account)
        self.accounts = {n: a for n, a in self.accounts.items() if a is not account}

    @rule(minutes=st.sampled_from([37, 83]))
    def time_passes(self, minutes: int) -> None:
        self.town.clock.behind -= timedelta(minutes=minutes)

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def every_token_opens_what_it_should(self) -> None:
        """Asked of both workers, by polling, which changes nothing but a first use."""
        for token in self.tokens():
            expected = token.judged(self.now())
            if expected is None or token.predecessor is not None:  # asking would be its first use
                continue
            for worker in self.town.workers:
                answer = worker.get("/api/token_status", headers=bearer(token))
                assert told(answer) == expected, (token.account.email, answer.text)
                if answer.status_code == 200:
                    handed_over = answer.json().get("token")
                    assert handed_over == (token.successor.text if token.successor else None)

    @invariant()
    def rights_follow_the_role(self) -> None:
        for token in self.tokens():
            if token.judged(self.now()) != FINE or token.predecessor is not None:
                continue
            # a route that is not there for the role answers before it does anything
            answer = next(self.turn).put("/api/admin/users/1", headers=bearer(token), json={"role": "?"})
            self.follow(token, answer)
            assert answer.status_code == (400 if token.account.role is Role.ADMIN else 403), answer.text

    # --- how --------------------------------------------------------------------------------------

    def leave(self, token: Token) -> None:
        assert told(self.call("POST", "/api/logout", token)) == FINE
        for kin in token.kin():
            kin.revoked = True

    def use(self, token: Token) -> None:
        answer = self.call("GET", "/api/user/profile", token)
        expected = token.judged(self.now())
        if expected is None:
            assert told(answer) in (FINE, DEAD)
        else:
            assert told(answer) == expected, answer.text
        if answer.status_code == 200:
            assert answer.json()["role"] == token.account.role
            if token.predecessor is not None and token.predecessor.grace_from is None:
                token.predecessor.grace_from = time.monotonic()
        self.follow(token, answer)

    def follow(self, token: Token, answer: httpx.Response) -> None:
        """The successor comes in the second half of a token's life, once, and stays the same."""
        if answer.status_code == 401:
            return
        now = self.now()
        text = answer.headers.get("x-new-token")
        if token.successor is not None:
            assert text == token.successor.text
        elif now - token.issued >= LIFE / 2:
            assert text is not None
            token.successor = Token(text, token.account, now, now + LIFE, predecessor=token)
            token.account.tokens.append(token.successor)
        else:
            assert text is None

    def tokens(self) -> list[Token]:
        accounts = [*self.accounts.values(), *self.former]
        return [token for account in accounts for token in account.tokens[-KEPT_TOKENS:]]

    def usable(self) -> list[Token]:
        """Tokens that certainly open something, and are nobody's successor that was never used."""
        fine = [token for token in self.tokens() if token.judged(self.now()) == FINE]
        return [t for t in fine if t.predecessor is None or t.predecessor.grace_from is not None]

    def email(self, name: str) -> str:
        return f"{name}{self.n}@example.org"

    def now(self) -> datetime:
        return self.town.clock.now()

    def call(self, method: str, path: str, token: Token | None = None, **options: Any) -> httpx.Response:
        """At the other worker than the last one; limits count anew, they have tests of their own."""
        forget_limits(self.town.redis)
        headers = bearer(token) if token else {}
        answer = next(self.turn).request(method, path, headers=headers, **options)
        assert answer.status_code < 500, answer.text
        return answer

    def code(self, email: str, purpose: str) -> str:
        sent = self.call("POST", "/api/send_verification", json={"email": email, "purpose": purpose})
        assert sent.status_code == 200, sent.text
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for mail in self.town.workers[0].get("/dev/mailbox.json").json()["mails"]:
                found = re.search(r"\b\d{6}\b", mail["text"])
                if mail["to"] == email and found:
                    self.town.redis.delete("dev:mailbox")
                    return found[0]
            time.sleep(0.01)
        raise AssertionError(f"no code for {email}")

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        login = {"email": "root@example.org", "password": PASSWORD}
        token = self.call("POST", "/api/login", json=login).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = next(self.turn).request(method, path, headers=headers, **options)
        assert answer.status_code == 200, answer.text
        return answer


def machine_for(town: Town) -> type[AccountsMachine]:
    return type("AccountsMachineOfTown", (AccountsMachine,), {"town": town})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["msg"] if answer.status_code >= 400 else ""


def bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.text}"}


def forget_limits(redis: Redis) -> None:
    redis.eval(FORGET, 0, "rl:*", "code_wait:*")


@pytest.fixture
def home_redis(valkey: Valkey) -> Any:
    with Redis.from_url(f"{valkey.url}?db=2") as client:
        client.flushdb()
        yield client


async def test_accounts_behave_as_the_model_says(
    tmp_path: Path, home_redis: Redis, valkey: Valkey, llm: LlmServiceServer
) -> None:
    chosen = settings_for(tmp_path, REDIS_URL=f"{valkey.url}?db=2", LLM_URL=llm.url)
    await asyncio.to_thread(migrated, chosen.sqlalchemy_url)
    await create_admin(chosen, "root@example.org", PASSWORD, "admin")
    clock = LaggingClock()
    late = Provider(scope=Scope.APP)
    late.provide(lambda: clock, provides=Clock, override=True)
    async with running(chosen, late) as one, running(chosen, late) as two:
        with httpx.Client(base_url=one.url, timeout=30) as a, httpx.Client(base_url=two.url, timeout=30) as b:
            town = Town((a, b), home_redis, clock, itertools.count(1))
            await asyncio.to_thread(_drive, machine_for(town))


def _drive(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        ),
    )
