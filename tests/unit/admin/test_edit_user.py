import asyncio

import pytest

from domain.errors import InvalidField, MissingField, StorageUnavailable
from domain.tutor_request import RequestStatus, TutorRequest, TutorRequestId
from domain.user import (
    EmailTaken,
    LastAdmin,
    OnlyAdmins,
    OwnAccount,
    Purpose,
    Role,
    Status,
    UserNotFound,
)
from tests.unit.admin.office import ADA, ANN, ROOT, TIM, Office

ALL = {
    "email": "new@school.org",
    "role": "tutor",
    "status": "active",
    "username": "ann2",
    "full_name": "Ann B.",
    "phone": "123",
    "bio": "About me",
}


async def test_every_field_is_applied_and_logged_with_what_it_was(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)

    await office.edit(root, ann, **ALL)

    user = office.user(ann)
    profile = user.own_profile(office.clock.now())
    assert (user.email, user.role, user.status) == (ALL["email"], Role.TUTOR, Status.ACTIVE)
    assert [getattr(profile, n) for n in ("username", "full_name", "phone", "bio")] == list(ALL.values())[3:]
    (line,) = office.log
    assert (line.operator, line.action, line.target, line.target_email) == (
        ROOT,
        "update",
        ann.id,
        ALL["email"],
    )
    assert line.details == {
        "email": [ANN, "new@school.org"],
        "role": ["student", "tutor"],
        "status": ["inactive", "active"],
        "username": ["ann", "ann2"],
        "full_name": ["", "Ann B."],
        "phone": ["", "123"],
        "bio": ["", "About me"],
    }


async def test_what_is_as_it_was_is_neither_logged_nor_told(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    claims = await office.signed_in(ann)
    await office.edit(root, ann, email="ANN@school.org", role="student", status="inactive", username="ann")
    assert (office.log, office.told) == ([], [])
    assert not office.is_revoked(claims)


async def test_an_empty_text_keeps_the_name_and_clears_the_others(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    await office.edit(root, ann, full_name="Ann", bio="x", phone="1")
    await office.edit(root, ann, email="", role="", status="", username="", full_name="", bio="", phone="")
    profile = office.user(ann).own_profile(office.clock.now())
    assert (profile.username, profile.full_name, profile.bio, profile.phone) == ("ann", "", "", "")
    assert office.user(ann).email == ANN


@pytest.mark.parametrize("nothing", [{}, {"email": ""}, {"username": ""}, {"role": "", "status": ""}])
async def test_nothing_to_change_is_refused(office: Office, nothing: dict[str, str]) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    with pytest.raises(MissingField, match="Missing request data"):
        await office.edit(root, ann, **nothing)


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "ann"},
        {"email": "Ａnn@school.org\n,x@y.org"},
        {"role": "root"},
        {"role": "Admin"},
        {"status": "Banned"},
        {"username": "x" * 51},
        {"full_name": "x" * 51},
        {"phone": "x" * 21},
        {"bio": "x" * 2001},
        {"bio": "\ud800"},
    ],
)
async def test_a_wrong_value_changes_nothing(office: Office, wrong: dict[str, str]) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    with pytest.raises(InvalidField):
        await office.edit(root, ann, **{"full_name": "Ann", **wrong})
    assert office.user(ann).own_profile(office.clock.now()).full_name == ""
    assert office.log == []


async def test_a_taken_address_changes_nothing_else_either(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    with pytest.raises(EmailTaken):
        await office.edit(root, ann, email=ROOT, role="tutor", bio="x")
    user = office.user(ann)
    assert (user.email, user.role, user.own_profile(office.clock.now()).bio) == (ANN, Role.STUDENT, "")
    assert (office.log, office.told) == ([], [])


async def test_nobody_and_the_deleted_are_not_found(office: Office) -> None:
    root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
    await office.delete_user(root, ann.id)
    with pytest.raises(UserNotFound):
        await office.edit(root, ann, bio="x")


class TestRole:
    async def test_logs_out_and_tells(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN, status=Status.ACTIVE)
        claims = await office.signed_in(ann)
        await office.edit(root, ann, role="tutor")
        assert office.is_revoked(claims)
        assert not await office.sessions.is_alive(claims, office.clock.now(), active=False)
        assert office.told == [(ann.id, "Your role was changed", "info")]
        assert office.stops.stopped_users == []
        assert office.user(ann).status is Status.INACTIVE  # nobody is logged in there any more

    @pytest.mark.parametrize("role", [Role.TUTOR, Role.ADMIN])
    async def test_answers_a_waiting_request(self, office: Office, role: Role) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        await office.asks(ann)
        await office.edit(root, ann, role=role.value)
        (request,) = office.database.tables.tutor_requests.values()
        assert (request.status, request.decided_by) == (RequestStatus.APPROVED, ROOT)
        assert office.log[-1].details == {
            "role": ["student", role.value],
            "tutor_request": ["pending", "approved"],
        }
        assert office.told[1:] == [(ann.id, "Tutor request approved", "success")]

    async def test_that_stays_leaves_a_request_waiting(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        await office.asks(ann)
        await office.edit(root, ann, role="student", bio="x")
        (request,) = office.database.tables.tutor_requests.values()
        assert request.status is RequestStatus.PENDING


class TestBan:
    async def test_ends_everything_at_once(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        claims = await office.signed_in(ann)
        await office.edit(root, ann, status="banned")
        assert office.user(ann).status is Status.BANNED
        assert office.is_revoked(claims)
        assert not await office.sessions.is_alive(claims, office.clock.now(), active=False)
        assert office.stops.stopped_users == [ann.id]

    async def test_holds_without_redis(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        claims = await office.signed_in(ann)
        office.sessions.down = office.stops.down = office.codes.down = True
        await office.edit(root, ann, status="banned", email="other@school.org")
        assert office.is_revoked(claims)

    async def test_is_nothing_at_all_without_the_database(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        claims = await office.signed_in(ann)
        office.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await office.edit(root, ann, status="banned", email="other@school.org")
        assert office.user(ann).status is Status.INACTIVE
        assert await office.sessions.is_alive(claims, office.clock.now(), active=False)
        assert office.stops.stopped_users == []

    async def test_is_lifted(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN, status=Status.BANNED)
        await office.edit(root, ann, status="active")
        assert office.user(ann).status is Status.ACTIVE
        assert office.log[-1].details == {"status": ["banned", "active"]}

    async def test_stays_through_a_change_of_role(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN, status=Status.BANNED)
        await office.edit(root, ann, role="tutor")
        assert office.user(ann).status is Status.BANNED


class TestAddress:
    async def test_drops_the_codes_of_both_and_keeps_the_login(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        claims = await office.signed_in(ann)
        old = await office.codes.issue(ANN, Purpose.RESET_PASSWORD)
        new = await office.codes.issue("new@school.org", Purpose.REGISTER)
        await office.edit(root, ann, email=" New@School.org ")
        assert not await office.codes.redeem(ANN, [Purpose.RESET_PASSWORD], old)
        assert not await office.codes.redeem("new@school.org", [Purpose.REGISTER], new)
        assert await office.sessions.is_alive(claims, office.clock.now(), active=False)
        assert not office.is_revoked(claims)


class TestGuards:
    @pytest.mark.parametrize("change", [{"role": "student"}, {"role": "tutor"}, {"status": "banned"}])
    async def test_nobody_does_it_to_himself(self, office: Office, change: dict[str, str]) -> None:
        root = await office.somebody(ROOT, Role.ADMIN)
        await office.somebody(ADA, Role.ADMIN)
        with pytest.raises(OwnAccount, match="You cannot do this to your own account"):
            await office.edit(root, root, **change)
        assert office.log == []

    async def test_one_may_edit_what_else_is_ones_own(self, office: Office) -> None:
        root = await office.somebody(ROOT, Role.ADMIN)
        await office.edit(root, root, role="admin", status="active", full_name="Root")
        assert office.user(root).own_profile(office.clock.now()).full_name == "Root"

    @pytest.mark.parametrize("change", [{"role": "student"}, {"status": "banned"}])
    async def test_the_last_admin_stays(self, office: Office, change: dict[str, str]) -> None:
        """Also when the operator was one a moment ago."""
        root, ada = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ADA, Role.ADMIN)
        await office.edit(ada, root, role="student")
        with pytest.raises(LastAdmin, match="At least one admin must remain"):
            await office.edit(root, ada, **change)

    async def test_a_banned_admin_is_no_admin_that_remains(self, office: Office) -> None:
        root = await office.somebody(ROOT, Role.ADMIN)
        ada = await office.somebody(ADA, Role.ADMIN, Status.BANNED)
        with pytest.raises(LastAdmin):
            await office.edit(ada, root, role="tutor")
        await office.edit(root, ada, role="tutor")

    @pytest.mark.parametrize("change", [{"bio": "x"}, {"status": "banned"}, {"role": "student"}])
    async def test_a_tutor_touches_no_admin(self, office: Office, change: dict[str, str]) -> None:
        root, tim = await office.somebody(ROOT, Role.ADMIN), await office.somebody(TIM, Role.TUTOR)
        with pytest.raises(OnlyAdmins, match="Permission denied"):
            await office.edit(tim, root, **change)

    async def test_a_tutor_makes_no_admin_least_of_all_himself(self, office: Office) -> None:
        tim, ann = await office.somebody(TIM, Role.TUTOR), await office.somebody(ANN)
        for who in (tim, ann):
            with pytest.raises(OnlyAdmins):
                await office.edit(tim, who, role="admin")
        await office.edit(tim, ann, role="tutor")
        with pytest.raises(OwnAccount):
            await office.edit(tim, tim, role="student")

    async def test_of_many_who_demote_and_ban_each_other_one_remains(self, office: Office) -> None:
        admins = [await office.somebody(f"admin{n}@school.org", Role.ADMIN) for n in range(6)]
        changes = [{"role": "student"}, {"status": "banned"}]

        outcomes = await asyncio.gather(
            *(
                office.edit(admins[n], admins[m], **changes[(n + m) % 2])
                for n in range(6)
                for m in range(6)
                if n != m
            ),
            return_exceptions=True,
        )
        assert {type(refusal) for refusal in outcomes if refusal is not None} == {LastAdmin}
        left = [u for u in office.database.tables.users.values() if u.role is Role.ADMIN]
        assert len([u for u in left if u.status is not Status.BANNED]) == 1


async def test_who_decided_is_known_by_the_address_he_has(office: Office) -> None:
    root, ada = [await office.somebody(email, Role.ADMIN) for email in (ROOT, ADA)]
    ann = await office.somebody(ANN)
    async with office.work() as w:
        w.tutor_requests.add(TutorRequest(user_id=ann.id, reason="", created_at=office.clock.now()))
        await w.commit()
    await office.decide(ada, TutorRequestId(1), RequestStatus.REJECTED)
    assert office.database.tables.tutor_requests[TutorRequestId(1)].decided_by == ADA

    await office.edit(root, ada, email="ada.lee@school.org")
    assert office.database.tables.tutor_requests[TutorRequestId(1)].decided_by == "ada.lee@school.org"
    await office.delete_user(root, ada.id)
    assert office.database.tables.tutor_requests[TutorRequestId(1)].decided_by is None
