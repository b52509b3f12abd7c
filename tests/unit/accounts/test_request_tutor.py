import asyncio

import pytest

from application.accounts.request_tutor import RequestTutor
from domain.errors import InvalidField
from domain.job import JobKind
from domain.tutor_request import (
    AlreadyPending,
    AlreadyTutor,
    RequestStatus,
    SignupClosed,
    TutorSignup,
)
from domain.user import Role, Status, TokenDead, UserId
from tests.unit.accounts.desk import ANN, BEN, Desk


def request_tutor(desk: Desk, signup: TutorSignup = TutorSignup.APPROVAL) -> RequestTutor:
    return RequestTutor(work=desk.work, end_sessions=desk.end_sessions, clock=desk.clock, tutor_signup=signup)


async def test_every_admin_who_may_sign_in_is_told_also_by_mail(desk: Desk) -> None:
    ann = await desk.someone()
    admins = [await desk.someone(f"{name}@example.org", role=Role.ADMIN) for name in ("ada", "bea")]
    await desk.someone("gone@example.org", role=Role.ADMIN, status=Status.BANNED)
    await desk.someone(BEN, role=Role.TUTOR)

    assert await request_tutor(desk)(ann.id, " I teach\nbiology ") is RequestStatus.PENDING

    (request,) = desk.tables.tutor_requests.values()
    assert (request.user_id, request.reason, request.status) == (ann.id, "I teach\nbiology", "pending")
    assert [(note.user, note.title, note.type) for note in desk.tables.notifications] == [
        (admin.id, "New tutor request", "info") for admin in admins
    ]
    assert {note.message for note in desk.tables.notifications} == {
        f"User U{ann.id:03} asks to become a tutor."
    }
    mails = [job.payload for job in desk.tables.jobs.values() if job.kind is JobKind.SEND_MAIL]
    assert [mail["to"] for mail in mails] == ["ada@example.org", "bea@example.org"]
    assert all(ANN in str(mail["text"]) and "I teach biology" in str(mail["text"]) for mail in mails)
    assert desk.user().role is Role.STUDENT


async def test_only_one_waits_at_a_time(desk: Desk) -> None:
    ann = await desk.someone()
    asked = [request_tutor(desk)(ann.id, "") for _ in range(8)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert outcomes.count(RequestStatus.PENDING) == 1
    assert sum(isinstance(outcome, AlreadyPending) for outcome in outcomes) == 7
    assert len(desk.tables.tutor_requests) == 1


@pytest.mark.parametrize("role", [Role.TUTOR, Role.ADMIN])
@pytest.mark.parametrize("signup", [TutorSignup.APPROVAL, TutorSignup.OPEN])
async def test_who_is_no_student_has_nothing_to_ask(desk: Desk, role: Role, signup: TutorSignup) -> None:
    ann = await desk.someone(role=role)
    with pytest.raises(AlreadyTutor):
        await request_tutor(desk, signup)(ann.id, "")

    assert desk.user().role is role


async def test_a_closed_house_refuses(desk: Desk) -> None:
    ann = await desk.someone()
    with pytest.raises(SignupClosed):
        await request_tutor(desk, TutorSignup.CLOSED)(ann.id, "")


async def test_an_open_house_makes_a_tutor_at_once_who_logs_in_again(desk: Desk) -> None:
    ann = await desk.someone()
    _, claims = await desk.signed_in()

    assert await request_tutor(desk, TutorSignup.OPEN)(ann.id, "") is RequestStatus.APPROVED

    user = desk.user()
    assert user.role is Role.TUTOR
    assert user.tokens_from is not None
    assert claims.auth_time < user.tokens_from
    assert not await desk.sessions.is_alive(claims, desk.clock.now(), active=False)
    assert desk.tables.log[-1].details == {"role": ["student", "tutor"]}
    assert (desk.tables.tutor_requests, desk.tables.notifications) == ({}, [])


async def test_an_open_house_grants_what_still_waited(desk: Desk) -> None:
    ann = await desk.someone()
    await request_tutor(desk)(ann.id, "")
    await request_tutor(desk, TutorSignup.OPEN)(ann.id, "")
    (request,) = desk.tables.tutor_requests.values()

    assert (request.status, request.decided_by) == (RequestStatus.APPROVED, "system")


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b", "\udc00"])
async def test_a_reason_is_bounded(desk: Desk, reason: str) -> None:
    ann = await desk.someone()
    with pytest.raises(InvalidField, match="Invalid value for 'reason'"):
        await request_tutor(desk)(ann.id, reason)

    assert desk.tables.tutor_requests == {}


async def test_of_nobody_is_a_dead_token(desk: Desk) -> None:
    with pytest.raises(TokenDead):
        await request_tutor(desk)(UserId(999), "")
