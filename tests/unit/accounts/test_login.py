import asyncio
from datetime import datetime

import pytest
from typing_extensions import override

from application.accounts.bury import bury
from application.ports.credentials import Claims
from domain.errors import RateLimited, StorageUnavailable
from domain.user import AccountBanned, InvalidCredentials, Status
from tests.fakes.credentials import NOBODY
from tests.fakes.login_sessions import FakeLoginSessions
from tests.unit.accounts.desk import ANN, BEN, IP, PASSWORD, Desk


async def fail(desk: Desk, times: int, email: str = ANN, ip: str = IP) -> None:
    for _ in range(times):
        with pytest.raises(InvalidCredentials):
            await desk.login(email, "wrong password", ip)


class TestSuccess:
    async def test_gives_a_token_that_is_alive(self, desk: Desk) -> None:
        ann = await desk.someone()
        token = await desk.login("Ann@Example.org", PASSWORD, IP)
        caller = await desk.authenticate(f"Bearer {token}")
        assert caller.account.id == ann.id

    async def test_is_recorded(self, desk: Desk) -> None:
        ann = await desk.someone()
        desk.later(minutes=1)
        await desk.login(ANN, PASSWORD, IP)
        user = desk.user()
        assert (user.status, user.last_login) == (Status.ACTIVE, desk.clock.now())
        (line,) = desk.tables.log
        assert (line.operator, line.action, line.target, line.at) == (ANN, "login", ann.id, desk.clock.now())

    @pytest.mark.parametrize("single", [True, False])
    async def test_ends_other_logins_where_one_is_enough(self, single: bool) -> None:
        desk = Desk(single_session=single)
        await desk.someone()
        (_, first), (_, second) = await desk.signed_in(), await desk.signed_in()
        now = desk.clock.now()
        assert await desk.sessions.is_alive(first, now, active=False) is not single
        assert await desk.sessions.is_alive(second, now, active=False)

    async def test_brings_an_old_hash_up_to_date(self, desk: Desk) -> None:
        await desk.someone()
        former = desk.user().password_hash
        desk.hasher.strength = 3
        await desk.login(ANN, PASSWORD, IP)
        assert desk.user().password_hash != former
        assert not desk.hasher.outdated(desk.user().password_hash)
        kept = desk.user().password_hash
        await desk.login(ANN, PASSWORD, IP)
        assert desk.user().password_hash == kept


class TestRefusal:
    async def test_is_one_for_unknown_addresses_and_wrong_passwords_after_the_same_work(
        self, desk: Desk
    ) -> None:
        await desk.someone()
        hash = desk.user().password_hash
        for email in (ANN, BEN):
            with pytest.raises(InvalidCredentials, match="Invalid credentials"):
                await desk.login(email, "wrong password", IP)
        assert desk.hasher.verified == [hash, NOBODY]

    @pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "\ud800@x.org"])
    async def test_is_the_same_for_what_is_no_address(self, desk: Desk, email: str) -> None:
        with pytest.raises(InvalidCredentials):
            await desk.login(email, PASSWORD, IP)

    async def test_of_a_banned_account_needs_the_right_password(self, desk: Desk) -> None:
        await desk.someone(status=Status.BANNED)
        await fail(desk, 1)
        with pytest.raises(AccountBanned, match=r"This account has been suspended\."):
            await desk.login(ANN, PASSWORD, IP)
        assert desk.user().status is Status.BANNED
        assert desk.tables.log == []

    async def test_a_ban_in_the_last_moment_counts(self, desk: Desk) -> None:
        ann = await desk.someone()
        desk.hasher.busy = asyncio.Event()
        logging_in = asyncio.create_task(desk.login(ANN, PASSWORD, IP))
        await desk.hasher.asked.wait()
        await desk.set_status(ann, Status.BANNED)
        desk.hasher.busy.set()
        with pytest.raises(AccountBanned):
            await logging_in
        assert desk.user().status is Status.BANNED

    async def test_so_does_a_deletion(self, desk: Desk) -> None:
        await desk.someone()
        desk.hasher.busy = asyncio.Event()
        logging_in = asyncio.create_task(desk.login(ANN, PASSWORD, IP))
        await desk.hasher.asked.wait()
        desk.tables.users.clear()
        desk.hasher.busy.set()
        with pytest.raises(InvalidCredentials):
            await logging_in

    async def test_a_token_that_is_opened_after_a_deletion_does_not_stay(self, desk: Desk) -> None:
        """The login was stored, then the account went with all its sessions, and now the token comes."""
        user = await desk.someone()
        opened: list[Claims] = []

        class Late(FakeLoginSessions):
            @override
            async def open(self, claims: Claims, email: str, now: datetime, *, single: bool) -> None:
                async with desk.work() as w:
                    leaving = await w.users.get(user.id)
                    assert leaving is not None
                    await bury(w, leaving, now)
                    await w.commit()
                await super().open(claims, email, now, single=single)
                opened.append(claims)

        desk.sessions = Late(desk.clock)
        with pytest.raises(InvalidCredentials):
            await desk.login(ANN, PASSWORD, IP)
        assert not await desk.sessions.is_alive(opened[0], desk.clock.now(), active=False)

    async def test_of_an_enormous_password_is_quick(self, desk: Desk) -> None:
        await desk.someone()
        with pytest.raises(InvalidCredentials):
            await desk.login(ANN, "x" * 200_000, IP)

    async def test_an_outage_is_no_wrong_password(self, desk: Desk) -> None:
        await desk.someone()
        desk.sessions.down = True
        with pytest.raises(StorageUnavailable):
            await desk.login(ANN, PASSWORD, IP)


class TestThrottle:
    @pytest.mark.parametrize("email", [ANN, "unknown@example.org"])
    async def test_allows_ten_failures_an_account_known_or_not(self, desk: Desk, email: str) -> None:
        await desk.someone()
        await fail(desk, 10, email)
        with pytest.raises(
            RateLimited, match=r"Too many login attempts\. Please try again later\."
        ) as refusal:
            await desk.login(email, PASSWORD, IP)
        assert refusal.value.retry_after == 90
        await fail(desk, 1, BEN)

    async def test_of_an_account_ends_by_itself(self, desk: Desk) -> None:
        await desk.someone()
        await fail(desk, 10)
        desk.later(seconds=90)
        await desk.login(ANN, PASSWORD, IP)

    async def test_is_cleared_by_success(self, desk: Desk) -> None:
        await desk.someone()
        await fail(desk, 9)
        await desk.login(ANN, PASSWORD, IP)
        await fail(desk, 10)

    async def test_counts_spellings_of_an_address_together(self, desk: Desk) -> None:
        await desk.someone()
        await fail(desk, 5, "ANN@example.org")
        await fail(desk, 5, " ann@EXAMPLE.org ")
        with pytest.raises(RateLimited):
            await desk.login(ANN, PASSWORD, IP)

    async def test_allows_a_hundred_failures_a_place(self, desk: Desk) -> None:
        await desk.someone()
        for n in range(100):
            await fail(desk, 1, f"u{n}@example.org")
        for _ in range(12):
            with pytest.raises(RateLimited):
                await desk.login(ANN, PASSWORD, IP)
        await desk.login(ANN, PASSWORD, "198.51.100.1")  # and what a place did is not the account's fault

    async def test_of_a_place_counts_failures_only(self, desk: Desk) -> None:
        await desk.someone()
        for _ in range(120):
            await desk.login(ANN, PASSWORD, IP)
        await fail(desk, 1, BEN)

    async def test_parallel_attempts_cannot_slip_through(self, desk: Desk) -> None:
        await desk.someone()
        tries = [desk.login(ANN, f"guess {n}", IP) for n in range(50)]
        outcomes = [type(o) for o in await asyncio.gather(*tries, return_exceptions=True)]
        assert outcomes.count(InvalidCredentials) == 10
        assert outcomes.count(RateLimited) == 40
        assert len(desk.hasher.verified) == 10


class TestWarning:
    async def test_goes_to_the_owner_when_the_limit_is_first_hit(self, desk: Desk) -> None:
        await desk.someone()
        await fail(desk, 10)
        assert desk.outbox.waiting == []
        for _ in range(3):
            with pytest.raises(RateLimited):
                await desk.login(ANN, "wrong password", IP)
        (mail,) = desk.outbox.waiting
        assert (mail.to, mail.subject) == (ANN, "Failed logins to your Virtual Tutor account")

    async def test_goes_out_once_in_a_quarter_of_an_hour(self, desk: Desk) -> None:
        await desk.someone()
        for _ in range(11):
            for _ in range(20):
                with pytest.raises((RateLimited, InvalidCredentials)):
                    await desk.login(ANN, "wrong password", IP)
            desk.later(minutes=3)
        assert len(desk.outbox.waiting) == 3

    async def test_is_the_same_work_for_an_address_that_nobody_has(self, desk: Desk) -> None:
        await fail(desk, 10, BEN)
        with pytest.raises(RateLimited):
            await desk.login(BEN, PASSWORD, IP)
        ((mail, deliver),) = desk.outbox.posted
        assert (mail.to, deliver) == (BEN, False)

    async def test_is_not_caused_by_a_place(self, desk: Desk) -> None:
        await desk.someone()
        for n in range(100):
            await fail(desk, 1, f"u{n}@example.org")
        with pytest.raises(RateLimited):
            await desk.login(ANN, PASSWORD, IP)
        assert desk.outbox.posted == []
