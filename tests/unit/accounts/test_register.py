import asyncio

import pytest

from domain.errors import InvalidField, RateLimited, StorageUnavailable
from domain.tutor_request import TutorSignup
from domain.user import EmailTaken, InvalidCode, Purpose, Role, Status, WeakPassword
from tests.unit.accounts.desk import ANN, PASSWORD, Desk


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


class TestNewcomer:
    async def test_becomes_a_student_with_a_profile(self, desk: Desk) -> None:
        code = await desk.code_for(ANN)
        assert not await desk.register(" ANN@example.org", PASSWORD, code, "student")
        user = desk.user(ANN)
        assert (user.role, user.status, user.last_login) == (Role.STUDENT, Status.INACTIVE, None)
        assert user.profile is not None
        assert user.profile.username == "ann"
        assert await desk.hasher.verify(PASSWORD, user.password_hash)
        (line,) = desk.tables.log
        assert (line.operator, line.action, line.target) == (ANN, "create", user.id)

    async def test_can_log_in_however_the_password_was_composed(self, desk: Desk) -> None:
        await desk.register(ANN, "pa\u0308sswo\u0308rter", await desk.code_for(), "student")
        await desk.login(ANN, "p\u00e4ssw\u00f6rter", "ip")

    async def test_of_two_with_one_code_is_one(self, desk: Desk) -> None:
        code = await desk.code_for()
        tries = [desk.register(ANN, PASSWORD, code, "student") for _ in range(2)]
        one, other = sorted(map(type, await asyncio.gather(*tries, return_exceptions=True)), key=str)
        assert {one, other} <= {bool, InvalidCode, EmailTaken}
        assert len(desk.tables.users) == 1


class TestTutor:
    @pytest.mark.parametrize(
        ("signup", "role", "asks"),
        [
            (TutorSignup.APPROVAL, Role.STUDENT, True),
            (TutorSignup.OPEN, Role.TUTOR, False),
            (TutorSignup.CLOSED, Role.STUDENT, False),
        ],
    )
    async def test_is_what_the_house_allows(self, signup: TutorSignup, role: Role, asks: bool) -> None:
        desk = Desk(tutor_signup=signup)
        await desk.someone("root@example.org", role=Role.ADMIN)
        assert await desk.register(ANN, PASSWORD, await desk.code_for(), "tutor") is asks
        assert desk.user(ANN).role is role
        assert len(desk.tables.tutor_requests) == len(desk.tables.notifications) == int(asks)

    async def test_request_is_told_to_every_admin(self, desk: Desk) -> None:
        admins = [await desk.someone(f"root{n}@example.org", role=Role.ADMIN) for n in range(2)]
        await desk.someone("tutor@example.org", role=Role.TUTOR)
        await desk.register(ANN, PASSWORD, await desk.code_for(), "tutor")
        assert [note.user for note in desk.tables.notifications] == [admin.id for admin in admins]
        assert {(note.title, note.message, note.type) for note in desk.tables.notifications} == {
            ("New tutor request", f"User U{desk.user(ANN).id:03} asks to become a tutor.", "info")
        }
        assert [request.user_id for request in desk.tables.tutor_requests.values()] == [desk.user(ANN).id]


class TestRefusals:
    async def test_come_in_order_and_cost_no_code(self, desk: Desk) -> None:
        code = await desk.code_for(ANN)
        with pytest.raises(InvalidField, match="Invalid email address"):
            await desk.register("nobody", "short", wrong(code), "admin")
        with pytest.raises(InvalidField, match="Invalid role"):
            await desk.register(ANN, "short", wrong(code), "admin")
        for password in ("short", "password1", ANN):
            with pytest.raises(WeakPassword):
                await desk.register(ANN, password, wrong(code), "student")
        await desk.register(ANN, PASSWORD, code, "student")
        with pytest.raises(EmailTaken):
            await desk.register(ANN, PASSWORD, wrong(code), "student")

    async def test_a_wrong_code_makes_no_account(self, desk: Desk) -> None:
        code = await desk.code_for(ANN)
        with pytest.raises(InvalidCode, match=r"Invalid or expired verification code\."):
            await desk.register(ANN, PASSWORD, wrong(code), "student")
        assert not desk.tables.users
        await desk.register(ANN, PASSWORD, code, "student")

    async def test_a_code_for_something_else_is_wrong(self, desk: Desk) -> None:
        await desk.someone(ANN)
        code = await desk.code_for(ANN, "reset_password")
        desk.tables.users.clear()
        with pytest.raises(InvalidCode):
            await desk.register(ANN, PASSWORD, code, "student")

    async def test_an_old_code_is_wrong(self, desk: Desk) -> None:
        code = await desk.code_for(ANN)
        desk.later(seconds=301)
        with pytest.raises(InvalidCode):
            await desk.register(ANN, PASSWORD, code, "student")

    async def test_codes_are_tried_twenty_times_a_quarter_of_an_hour(self, desk: Desk) -> None:
        for _ in range(20):
            with pytest.raises(InvalidCode):
                await desk.register(ANN, PASSWORD, "000000", "student")
        with pytest.raises(RateLimited):
            await desk.register(ANN, PASSWORD, await desk.code_for(ANN), "student")

    async def test_an_outage_makes_no_account(self, desk: Desk) -> None:
        code = await desk.code_for(ANN)
        desk.database.failing_commits = 1
        with pytest.raises(StorageUnavailable):
            await desk.register(ANN, PASSWORD, code, "tutor")
        assert not desk.tables.users
        assert not desk.tables.tutor_requests


class TestHiddenMode:
    async def test_a_taken_address_is_a_wrong_code_after_the_same_work(self) -> None:
        desk = Desk(hide_existing=True)
        await desk.someone(ANN)
        work = []
        for email in (ANN, "new@example.org"):
            before = desk.hasher.hashed, desk.codes.redeemed
            with pytest.raises(InvalidCode):
                await desk.register(email, PASSWORD, "000000", "student")
            work.append((desk.hasher.hashed - before[0], desk.codes.redeemed - before[1]))
        assert work == [(0, 1)] * 2  # no hash: without a mailbox nobody keeps our processors busy

    async def test_not_even_the_right_code_takes_an_address_again(self) -> None:
        desk = Desk(hide_existing=True)
        await desk.send_verification(ANN, "register", "ip")
        code = await desk.codes.issue(ANN, Purpose.REGISTER)
        await desk.someone(ANN)
        with pytest.raises(InvalidCode):
            await desk.register(ANN, PASSWORD, code, "student")
        assert len(desk.tables.users) == 1
