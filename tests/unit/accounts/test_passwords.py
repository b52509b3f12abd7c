"""Changing the own password, and setting another when it is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.errors import RateLimited, StorageUnavailable
from domain.job import JobKind
from domain.user import InvalidCredentials, Purpose, Role, Status, TokenDead, WeakPassword, WrongCode
from tests.unit.accounts.desk import ANN, BEN, IP, PASSWORD, Desk

NEW = "another good horse"
Change = Callable[[Desk, str, str], Awaitable[None]]


async def update(desk: Desk, code: str, password: str = NEW) -> None:
    account = await desk.reading.account(desk.user().id)
    assert account is not None
    await desk.update_password(account, code, password)


async def reset(desk: Desk, code: str, password: str = NEW) -> None:
    await desk.reset_password(ANN, code, password)


CHANGES = [(update, Purpose.UPDATE_PASSWORD), (reset, Purpose.RESET_PASSWORD)]
each_way = pytest.mark.parametrize(("change", "purpose"), CHANGES, ids=["update", "reset"])


@each_way
class TestChange:
    async def test_counts_from_then_on(self, desk: Desk, change: Change, purpose: Purpose) -> None:
        await desk.someone()
        await change(desk, await desk.code_for(ANN, purpose), "pa\u0308sswo\u0308rter")
        with pytest.raises(InvalidCredentials):
            await desk.login(ANN, PASSWORD, IP)
        await desk.login(ANN, "p\u00e4ssw\u00f6rter", IP)

    async def test_ends_all_logins_and_no_later_one(self, change: Change, purpose: Purpose) -> None:
        desk = Desk(single_session=False)
        await desk.someone()
        tokens = [(await desk.signed_in())[0] for _ in range(2)]
        await change(desk, await desk.code_for(ANN, purpose), NEW)
        for token in tokens:
            with pytest.raises(TokenDead):
                await desk.caller(token)
        assert desk.user().status is Status.INACTIVE
        await desk.caller(await desk.login(ANN, NEW, IP))
        assert desk.stops.stopped_users == []  # what is being answered is answered

    async def test_is_recorded_and_told(self, desk: Desk, change: Change, purpose: Purpose) -> None:
        ann = await desk.someone()
        await change(desk, await desk.code_for(ANN, purpose), NEW)
        (line,) = desk.tables.log
        assert (line.operator, line.action, line.target) == (ANN, "update", ann.id)
        assert line.details == {"password": "<changed>"}
        (note,) = desk.tables.notifications
        assert (note.user, note.title, note.type) == (ann.id, "Password changed", "warning")
        (job,) = desk.tables.jobs.values()
        assert job.kind is JobKind.SEND_MAIL
        assert (job.payload["to"], job.payload["subject"]) == (
            ANN,
            "Your Virtual Tutor password was changed",
        )
        assert NEW not in str(job.payload)

    async def test_lifts_no_ban(self, desk: Desk, change: Change, purpose: Purpose) -> None:
        await desk.someone(status=Status.BANNED)
        await change(desk, await desk.code_for(ANN, purpose), NEW)
        assert desk.user().status is Status.BANNED

    async def test_holds_although_redis_cannot_be_told(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        code = await desk.code_for(ANN, purpose)
        desk.sessions.down = True
        await change(desk, code, NEW)
        desk.sessions.down = False
        with pytest.raises(TokenDead):
            await desk.caller(token)

    async def test_needs_an_acceptable_password_first(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        code = await desk.code_for(ANN, purpose)
        for password in ("short", "x" * 129, "password1", ANN):
            with pytest.raises(WeakPassword):
                await change(desk, code, password)
        await change(desk, code, NEW)

    async def test_by_a_wrong_old_or_used_code_is_refused(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        hash = desk.user().password_hash
        code = await desk.code_for(ANN, purpose)
        with pytest.raises(WrongCode, match="Invalid or expired verification code"):
            await change(desk, "000000", NEW)
        desk.later(seconds=301)
        with pytest.raises(WrongCode):
            await change(desk, code, NEW)
        assert desk.user().password_hash == hash
        code = await desk.code_for(ANN, purpose)
        await change(desk, code, NEW)
        with pytest.raises(WrongCode):
            await change(desk, code, PASSWORD)

    async def test_by_a_code_for_something_or_somebody_else_is_refused(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        await desk.someone(BEN)
        foreign = await desk.codes.issue(BEN, purpose)
        for code in (
            await desk.codes.issue(ANN, Purpose.REGISTER),
            await desk.codes.issue(ANN, Purpose.DELETE_ACCOUNT),
            foreign,
        ):
            with pytest.raises(WrongCode):
                await change(desk, code, NEW)

    async def test_is_tried_twenty_times_a_quarter_of_an_hour(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        for _ in range(20):
            with pytest.raises(WrongCode):
                await change(desk, "000000", NEW)
        code = await desk.codes.issue(ANN, purpose)
        before = desk.hasher.hashed
        with pytest.raises(RateLimited) as refusal:
            await change(desk, code, NEW)
        assert refusal.value.retry_after == 45
        assert desk.hasher.hashed == before
        desk.later(seconds=45)
        await change(desk, code, NEW)

    async def test_happens_once_for_many_who_present_one_code(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        code = await desk.code_for(ANN, purpose)
        tries = [change(desk, code, f"{NEW} {n}") for n in range(10)]
        outcomes = [type(o) for o in await asyncio.gather(*tries, return_exceptions=True)]
        assert outcomes.count(type(None)) == 1
        assert outcomes.count(WrongCode) == 9
        assert len(desk.tables.log) == 1

    async def test_that_cannot_be_stored_changes_nothing(
        self, desk: Desk, change: Change, purpose: Purpose
    ) -> None:
        await desk.someone()
        token, _ = await desk.signed_in()
        code = await desk.code_for(ANN, purpose)
        desk.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await change(desk, code, NEW)
        await desk.caller(token)
        await desk.login(ANN, PASSWORD, IP)
        assert not desk.tables.jobs
        assert not desk.tables.notifications


class TestUpdate:
    async def test_takes_a_code_to_reset_the_password_too(self, desk: Desk) -> None:
        await desk.someone()
        await update(desk, await desk.code_for(ANN, Purpose.RESET_PASSWORD))
        await desk.login(ANN, NEW, IP)

    async def test_of_an_account_that_vanished_is_told(self, desk: Desk) -> None:
        ann = await desk.someone()
        account = await desk.reading.account(ann.id)
        assert account is not None
        code = await desk.code_for(ANN, Purpose.UPDATE_PASSWORD)
        desk.tables.users.clear()
        with pytest.raises(TokenDead):
            await desk.update_password(account, code, NEW)


class TestReset:
    async def test_takes_no_code_to_change_the_password(self, desk: Desk) -> None:
        await desk.someone()
        code = await desk.code_for(ANN, Purpose.UPDATE_PASSWORD)
        with pytest.raises(WrongCode):
            await reset(desk, code)
        await update(desk, code)

    async def test_does_the_same_work_for_an_unknown_address(self, desk: Desk) -> None:
        await desk.someone()
        work = []
        for email in (ANN, BEN, "no address"):
            before = desk.hasher.hashed, desk.codes.redeemed
            with pytest.raises(WrongCode):
                await desk.reset_password(email, "000000", NEW)
            work.append((desk.hasher.hashed - before[0], desk.codes.redeemed - before[1]))
        assert work == [(0, 1)] * 3  # no hash: without a mailbox nobody keeps our processors busy

    async def test_of_an_unknown_address_is_a_wrong_code_even_with_the_right_one(self, desk: Desk) -> None:
        code = await desk.codes.issue(BEN, Purpose.RESET_PASSWORD)
        with pytest.raises(WrongCode):
            await desk.reset_password(BEN, code, NEW)

    async def test_limits_an_unknown_address_like_any_other(self, desk: Desk) -> None:
        for _ in range(20):
            with pytest.raises(WrongCode):
                await desk.reset_password(BEN, "000000", NEW)
        with pytest.raises(RateLimited):
            await desk.reset_password(" BEN@example.org", "000000", NEW)

    async def test_lets_the_owner_log_in_again_at_once(self, desk: Desk) -> None:
        await desk.someone()
        for _ in range(10):
            with pytest.raises(InvalidCredentials):
                await desk.login(ANN, "wrong password", IP)
        with pytest.raises(RateLimited):
            await desk.login(ANN, PASSWORD, IP)
        await reset(desk, await desk.code_for(ANN, Purpose.RESET_PASSWORD))
        await desk.login(ANN, NEW, IP)

    async def test_is_for_everybody(self, desk: Desk) -> None:
        await desk.someone(role=Role.ADMIN)
        await reset(desk, await desk.code_for(ANN, Purpose.RESET_PASSWORD))
        await desk.login(ANN, NEW, IP)

    async def test_an_address_that_changed_hands_meanwhile_is_a_wrong_code(self, desk: Desk) -> None:
        ann = await desk.someone()
        code = await desk.code_for(ANN, Purpose.RESET_PASSWORD)
        desk.hasher.busy = asyncio.Event()
        setting = asyncio.create_task(reset(desk, code))
        await desk.hasher.asked.wait()
        async with desk.work() as w:
            found = await w.users.get(ann.id)
            assert found is not None
            found.email = BEN
            await w.commit()
        desk.hasher.busy.set()
        with pytest.raises(WrongCode):
            await setting

    async def test_an_outage_before_it_is_judged_costs_no_code(self, desk: Desk) -> None:
        await desk.someone()
        code = await desk.code_for(ANN, Purpose.RESET_PASSWORD)
        desk.database.down = True
        with pytest.raises(StorageUnavailable):
            await reset(desk, code)
        desk.database.down = False
        await reset(desk, code)
