import pytest

from domain.errors import StorageUnavailable
from domain.job import JobKind
from domain.user import LastAdmin, OnlyAdmins, OwnAccount, Role, UserNotFound
from tests.unit.admin.office import ADA, ANN, ROOT, TIM, Office


async def test_the_account_is_gone_at_once_and_its_erasure_queued(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    await office.edit(root, ann, full_name="Ann B.")
    claims = await office.signed_in(ann)

    await office.delete_user(root, ann.id, "left school")

    assert office.user(ann).deleted_at == office.clock.now()
    assert office.is_revoked(claims)
    assert not await office.sessions.is_alive(claims, office.clock.now(), active=False)
    assert office.stops.stopped_users == [ann.id]
    (job,) = office.database.tables.jobs.values()
    assert (job.kind, job.payload["user_id"]) == (JobKind.ERASE_ACCOUNT, ann.id)
    assert office.wakeup.rings == 1
    line = office.log[-1]
    assert (line.operator, line.action, line.target, line.target_email) == (ROOT, "delete", ann.id, ANN)
    assert (line.reason, line.details) == (
        "left school",
        {"full_name": "Ann B.", "role": "student", "email": ANN},
    )


async def test_the_address_is_free_and_the_number_is_not(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    await office.delete_user(root, ann.id)
    again = await office.somebody(ANN)
    assert again.id > ann.id
    with pytest.raises(UserNotFound):
        await office.delete_user(root, ann.id)


async def test_guards(office: Office) -> None:
    root, tim = await office.somebody(ROOT, Role.ADMIN), await office.somebody(TIM, Role.TUTOR)
    with pytest.raises(OwnAccount):
        await office.delete_user(root, root.id)
    with pytest.raises(OnlyAdmins):
        await office.delete_user(tim, root.id)
    with pytest.raises(OwnAccount):
        await office.delete_user(tim, tim.id)
    ada = await office.somebody(ADA, Role.ADMIN)
    await office.delete_user(ada, root.id)
    with pytest.raises(LastAdmin):
        await office.delete_user(root, ada.id)
    assert [line.target for line in office.log] == [root.id]


async def test_a_lost_commit_deletes_nothing(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    claims = await office.signed_in(ann)
    office.database.failing_commits = 1
    with pytest.raises(StorageUnavailable):
        await office.delete_user(root, ann.id)
    assert office.user(ann).deleted_at is None
    assert await office.sessions.is_alive(claims, office.clock.now(), active=False)
    assert (office.stops.stopped_users, office.wakeup.rings, office.log) == ([], 0, [])
