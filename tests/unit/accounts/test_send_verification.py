from collections.abc import Awaitable, Callable

import pytest

from domain.errors import InvalidField, RateLimited, StorageUnavailable
from domain.user import EmailTaken, Purpose
from tests.unit.accounts.desk import ANN, BEN, IP, Desk, code_in


async def fill(times: int, do: Callable[[int], Awaitable[object]]) -> None:
    for n in range(times):
        await do(n)


class TestMail:
    async def test_goes_to_a_newcomer_with_a_code_that_works(self, desk: Desk) -> None:
        await desk.send_verification(" Ann@EXAMPLE.org ", "register", IP)
        (mail,) = desk.outbox.waiting
        assert (mail.to, mail.subject) == (ANN, "Your Virtual Tutor verification code")
        assert "finish your registration" in mail.text
        assert "5 minutes" in mail.text
        assert await desk.codes.redeem(ANN, [Purpose.REGISTER], code_in(mail.text))

    @pytest.mark.parametrize("purpose", ["reset_password", "update_password", "delete_account"])
    async def test_of_any_other_purpose_goes_to_known_addresses_only(self, desk: Desk, purpose: str) -> None:
        await desk.someone()
        await desk.send_verification(ANN, purpose, IP)
        await desk.send_verification(BEN, purpose, IP)
        assert [mail.to for mail in desk.outbox.waiting] == [ANN]
        assert await desk.codes.redeem(ANN, [Purpose(purpose)], code_in(desk.outbox.waiting[0].text))

    @pytest.mark.parametrize("purpose", ["reset_password", "update_password", "delete_account"])
    async def test_costs_the_same_work_for_unknown_addresses(self, desk: Desk, purpose: str) -> None:
        await desk.someone()
        for email in (ANN, BEN):
            before = desk.codes.issued, len(desk.outbox.posted)
            await desk.send_verification(email, purpose, IP)
            assert (desk.codes.issued, len(desk.outbox.posted)) == (before[0] + 1, before[1] + 1)
            with pytest.raises(RateLimited):
                await desk.send_verification(email, purpose, IP)
        one, other = (mail for mail, _ in desk.outbox.posted)
        assert len(one.text) == len(other.text)


class TestTakenAddress:
    async def test_is_refused_openly(self, desk: Desk) -> None:
        await desk.someone()
        with pytest.raises(EmailTaken, match="This email is already registered"):
            await desk.send_verification("ANN@example.org", "register", IP)
        assert desk.outbox.posted == []

    async def test_is_told_to_its_owner_alone_in_hidden_mode(self) -> None:
        desk = Desk(hide_existing=True)
        await desk.someone()
        await desk.send_verification(ANN, "register", IP)
        await desk.send_verification(BEN, "register", IP)
        told, asked = desk.outbox.waiting
        assert (told.to, told.subject) == (ANN, "You already have a Virtual Tutor account")
        assert "code" not in told.text
        assert asked.to == BEN
        assert desk.codes.issued == 2  # the same work for both


class TestOrderOfRefusals:
    async def test_address_then_purpose_then_rate_then_taken_then_pause(self, desk: Desk) -> None:
        await desk.someone()
        with pytest.raises(InvalidField, match="Invalid email address"):
            await desk.send_verification("nobody", "nothing", IP)
        with pytest.raises(InvalidField, match="Invalid purpose"):
            await desk.send_verification(ANN, "nothing", IP)
        await desk.send_verification(ANN, "reset_password", IP)  # arms the pause
        with pytest.raises(EmailTaken):
            await desk.send_verification(ANN, "register", IP)
        await fill(58, lambda n: desk.send_verification(f"u{n}@example.org", "reset_password", IP))
        with pytest.raises(RateLimited, match=r"Too many requests\. Please try again later\."):
            await desk.send_verification(ANN, "register", IP)

    async def test_an_invalid_request_is_not_counted(self, desk: Desk) -> None:
        for _ in range(70):
            with pytest.raises(InvalidField):
                await desk.send_verification("nobody", "register", IP)
        await desk.send_verification(ANN, "register", IP)


class TestLimits:
    async def test_ten_seconds_lie_between_two_codes_for_an_address(self, desk: Desk) -> None:
        await desk.send_verification(ANN, "register", IP)
        with pytest.raises(RateLimited, match="Please wait 10 seconds before requesting again") as refusal:
            await desk.send_verification(ANN, "reset_password", "198.51.100.1")
        assert refusal.value.retry_after == 10
        await desk.send_verification(BEN, "register", IP)
        desk.later(seconds=10)
        await desk.send_verification(ANN, "register", IP)

    async def test_an_address_gets_ten_codes_an_hour(self, desk: Desk) -> None:
        for n in range(10):
            await desk.send_verification(ANN, "register", f"198.51.100.{n}")
            desk.later(seconds=11)
        with pytest.raises(RateLimited) as refusal:
            await desk.send_verification(ANN, "register", IP)
        assert 200 < refusal.value.retry_after <= 360

    async def test_a_place_gets_sixty_an_hour(self, desk: Desk) -> None:
        await fill(60, lambda n: desk.send_verification(f"u{n}@example.org", "register", IP))
        with pytest.raises(RateLimited):
            await desk.send_verification(ANN, "register", IP)
        await desk.send_verification(ANN, "register", "198.51.100.1")


async def test_without_its_stores_nothing_is_promised(desk: Desk) -> None:
    desk.codes.down = True
    with pytest.raises(StorageUnavailable):
        await desk.send_verification(ANN, "register", IP)
    assert desk.outbox.posted == []


class TestOutage:
    async def test_of_the_mail_queue_spends_nothing(self, desk: Desk) -> None:
        for n in range(70):  # more than any limit allows
            desk.outbox.refuse_with = StorageUnavailable()
            with pytest.raises(StorageUnavailable):
                await desk.send_verification(ANN, "register", IP)
            if n % 10 == 0:
                desk.outbox.refuse_with = None
                await desk.send_verification(f"u{n}@example.org", "register", IP)
        desk.outbox.refuse_with = None
        await desk.send_verification(ANN, "register", IP)
        assert await desk.codes.redeem(ANN, [Purpose.REGISTER], code_in(desk.outbox.last_to(ANN).text))

    async def test_of_the_database_spends_nothing(self, desk: Desk) -> None:
        desk.database.down = True
        for _ in range(70):
            with pytest.raises(StorageUnavailable):
                await desk.send_verification(ANN, "register", IP)
        desk.database.down = False
        await desk.send_verification(ANN, "register", IP)

    async def test_of_everything_is_told(self, desk: Desk) -> None:
        desk.outbox.refuse_with = StorageUnavailable()
        desk.codes.down = True
        with pytest.raises(StorageUnavailable):
            await desk.send_verification(ANN, "register", IP)
        desk.codes.down, desk.throttle.down = False, True
        with pytest.raises(StorageUnavailable):
            await desk.send_verification(ANN, "register", IP)
