import pytest

from domain.errors import RateLimited
from domain.user import OnlyAdmins, Purpose, Role, Status, UserId, UserNotFound
from tests.unit.accounts.desk import code_in
from tests.unit.admin.office import ANN, IP, ROOT, TIM, Office


class TestLogOutUser:
    async def test_ends_every_session(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN, status=Status.ACTIVE)
        all_claims = [await office.signed_in(ann) for _ in range(2)]
        await office.log_out_user(root, ann.id)
        for claims in all_claims:
            assert office.is_revoked(claims)
            assert not await office.sessions.is_alive(claims, office.clock.now(), active=False)
        assert office.user(ann).status is Status.INACTIVE
        (line,) = office.log
        assert (line.operator, line.action, line.target) == (ROOT, "logout", ann.id)

    async def test_holds_without_redis(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        claims = await office.signed_in(ann)
        office.sessions.down = True
        await office.log_out_user(root, ann.id)
        assert office.is_revoked(claims)

    async def test_guards(self, office: Office) -> None:
        root, tim = await office.somebody(ROOT, Role.ADMIN), await office.somebody(TIM, Role.TUTOR)
        with pytest.raises(OnlyAdmins):
            await office.log_out_user(tim, root.id)
        with pytest.raises(UserNotFound):
            await office.log_out_user(root, UserId(999))
        await office.log_out_user(root, root.id)


class TestSendReset:
    async def test_mails_the_user_a_code_that_only_he_sees(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        await office.send_reset(root, ann.id, IP)
        code = code_in(office.outbox.last_to(ANN).text)
        (line,) = office.log
        assert (line.action, line.target, line.details) == (
            "update",
            ann.id,
            {"password": "<reset code sent>"},
        )
        assert await office.codes.redeem(ANN, [Purpose.RESET_PASSWORD], code)

    async def test_is_throttled_and_guarded_like_any_other(self, office: Office) -> None:
        root, ann = await office.somebody(ROOT, Role.ADMIN), await office.somebody(ANN)
        tim = await office.somebody(TIM, Role.TUTOR)
        await office.send_reset(tim, ann.id, IP)
        with pytest.raises(RateLimited):
            await office.send_reset(root, ann.id, IP)
        with pytest.raises(OnlyAdmins):
            await office.send_reset(tim, root.id, IP)
        with pytest.raises(UserNotFound):
            await office.send_reset(root, UserId(999), IP)
        assert len(office.log) == 1
