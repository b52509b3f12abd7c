"""Leaving, with a code sent for it."""

import pytest

from application.accounts.limits import CODE_CHECKS
from domain.errors import RateLimited, StorageUnavailable
from domain.job import JobKind
from domain.user import LastAdmin, Purpose, Role, TokenDead, User, WrongCode
from tests.unit.accounts.desk import ANN, BEN, Desk


async def leave(desk: Desk, user: User, code: str) -> None:
    account = await desk.reading.account(user.id)
    assert account is not None
    await desk.delete_account(account, code)


async def code_for(desk: Desk, email: str = ANN) -> str:
    return await desk.code_for(email, Purpose.DELETE_ACCOUNT)


async def test_buries_the_account_and_ends_what_it_had_going_on(desk: Desk) -> None:
    ann = await desk.someone()
    token, _ = await desk.signed_in()

    await leave(desk, ann, await code_for(desk))

    with pytest.raises(TokenDead):
        await desk.caller(token)
    assert desk.tables.users[ann.id].deleted_at == desk.clock.now()
    assert desk.stops.stopped_users == [ann.id]
    assert desk.wakeup.rings == 1
    (job,) = desk.tables.jobs.values()
    assert (job.kind, job.dedup_key) == (JobKind.ERASE_ACCOUNT, f"erase:{ann.id}")
    assert (job.payload["user_id"], job.payload["email"], job.payload["replies"]) == (ann.id, ANN, [])
    line = desk.tables.log[-1]
    assert (line.operator, line.role, line.action, line.target_email) == (ANN, "student", "delete", ANN)
    assert line.details == {"full_name": "", "role": "student", "status": "active"}
    await desk.someone()  # the address is free


async def test_needs_the_right_code(desk: Desk) -> None:
    ann = await desk.someone()
    await code_for(desk)
    with pytest.raises(WrongCode):
        await leave(desk, ann, "000000")
    assert desk.user().deleted_at is None
    assert desk.tables.jobs == {}


async def test_guesses_are_counted(desk: Desk) -> None:
    ann = await desk.someone()
    for _ in range(CODE_CHECKS.times):
        with pytest.raises(WrongCode):
            await leave(desk, ann, "000000")
    with pytest.raises(RateLimited):
        await leave(desk, ann, "000000")


async def test_the_last_admin_stays_and_keeps_his_code(desk: Desk) -> None:
    ann = await desk.someone(role=Role.ADMIN)
    code = await code_for(desk)
    with pytest.raises(LastAdmin):
        await leave(desk, ann, code)
    assert desk.codes.redeemed == 0
    await desk.someone(BEN, role=Role.ADMIN)
    await leave(desk, ann, code)
    assert len(desk.tables.users) == 2


async def test_twice_is_once(desk: Desk) -> None:
    ann = await desk.someone()
    account = await desk.reading.account(ann.id)
    assert account is not None
    code = await code_for(desk)
    await desk.delete_account(account, code)
    with pytest.raises(TokenDead):
        await desk.delete_account(account, code)
    assert len(desk.tables.jobs) == 1


async def test_a_lost_commit_leaves_everything_as_it_was(desk: Desk) -> None:
    ann = await desk.someone()
    token, _ = await desk.signed_in()
    code = await code_for(desk)
    desk.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await leave(desk, ann, code)
    await desk.caller(token)
    assert desk.tables.jobs == {}
    assert desk.stops.stopped_users == []


async def test_with_redis_gone_after_the_commit_the_account_is_gone_all_the_same(desk: Desk) -> None:
    ann = await desk.someone()
    token, _ = await desk.signed_in()
    code = await code_for(desk)
    desk.stops.down = True
    await leave(desk, ann, code)
    with pytest.raises(TokenDead):
        await desk.caller(token)
    assert desk.wakeup.rings == 1
