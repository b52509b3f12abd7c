import asyncio

import pytest

from domain.tutor_request import AlreadyDecided, RequestStatus, TutorRequestId, TutorRequestNotFound
from domain.user import Role
from tests.unit.admin.office import ADA, ANN, ROOT, Office

APPROVED, REJECTED = RequestStatus.APPROVED, RequestStatus.REJECTED


async def test_approval_makes_a_tutor_who_logs_in_again(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    claims, request = await office.signed_in(ann), await office.asks(ann)

    await office.decide(root, request.id, APPROVED, "welcome")

    assert office.user(ann).role is Role.TUTOR
    assert office.is_revoked(claims)
    assert not await office.sessions.is_alive(claims, office.clock.now(), active=False)
    kept = office.database.tables.tutor_requests[request.id]
    assert (kept.status, kept.decided_by, kept.decided_at) == (APPROVED, ROOT, office.clock.now())
    (note,) = office.database.tables.notifications
    assert (note.user, note.type) == (ann.id, "success")
    assert note.message.endswith("Reason: welcome")
    (line,) = office.log
    assert (line.operator, line.action, line.target, line.reason) == (ROOT, "update", ann.id, "welcome")
    assert line.details == {"tutor_request": ["pending", "approved"], "role": ["student", "tutor"]}


async def test_rejection_leaves_a_student_logged_in(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    claims, request = await office.signed_in(ann), await office.asks(ann)
    await office.decide(root, request.id, REJECTED)
    assert office.user(ann).role is Role.STUDENT
    assert await office.sessions.is_alive(claims, office.clock.now(), active=False)
    assert not office.is_revoked(claims)
    assert office.told == [(ann.id, "Tutor request rejected", "warning")]
    (line,) = office.log
    assert (line.details, line.reason) == ({"tutor_request": ["pending", "rejected"]}, None)


@pytest.mark.parametrize("second", [APPROVED, REJECTED])
async def test_it_is_decided_once(office: Office, second: RequestStatus) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    request = await office.asks(ann)
    await office.decide(root, request.id, REJECTED)
    with pytest.raises(AlreadyDecided, match="Tutor request already decided"):
        await office.decide(root, request.id, second)
    assert len(office.log) == 1


async def test_of_two_admins_at_once_one_decides(office: Office) -> None:
    admins = [await office.somebody(email, Role.ADMIN) for email in (ROOT, ADA)]
    ann = await office.somebody(ANN)
    request = await office.asks(ann)
    outcomes = await asyncio.gather(
        office.decide(admins[0], request.id, APPROVED),
        office.decide(admins[1], request.id, REJECTED),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes].count(AlreadyDecided) == 1
    assert (len(office.log), len(office.told)) == (1, 1)


async def test_unknown_requests_and_those_of_the_deleted(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    request = await office.asks(ann)
    await office.delete_user(root, ann.id)
    for id in (request.id, TutorRequestId(999)):
        with pytest.raises(TutorRequestNotFound, match="Tutor request not found"):
            await office.decide(root, id, APPROVED)
