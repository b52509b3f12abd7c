import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from typing_extensions import override

from application.accounts.deliver_mail import DeliverMail
from application.accounts.mails import already_registered_mail, code_mail
from application.ports.mail import Mail
from domain.errors import StorageUnavailable
from domain.user import Purpose
from tests.fakes.clock import START, FakeClock
from tests.fakes.mail import FakeMailer, FakeOutbox


def a_mail(to: str = "ann@example.org") -> Mail:
    return code_mail(to, Purpose.REGISTER, "042042", START)


async def test_takes_one_and_delivers_it() -> None:
    outbox, mailer = FakeOutbox(), FakeMailer()
    deliver = DeliverMail(outbox=outbox, mailer=mailer, clock=FakeClock(), apart_s=0)
    await outbox.post(a_mail("nobody@example.org"), deliver=False)
    await outbox.post(a_mail())
    assert await deliver.one()
    assert not await deliver.one()
    assert mailer.delivered == [a_mail()]


async def test_a_refused_mail_is_tried_again_ever_more_rarely_until_it_is_worthless() -> None:
    clock = FakeClock()
    outbox, mailer = FakeOutbox(clock), FakeMailer()
    deliver = DeliverMail(outbox=outbox, mailer=mailer, clock=clock, apart_s=0)
    mailer.down = True
    await outbox.post(a_mail())
    waits = []
    while await deliver.one() or outbox.later:
        ((due, _),) = outbox.later
        waits.append((due - clock.now()).total_seconds())
        clock.pass_(due - clock.now())
    assert waits == [2, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert mailer.delivered == []


async def test_a_refused_mail_holds_up_no_other() -> None:
    clock = FakeClock()
    outbox, mailer = FakeOutbox(clock), FakeMailer()
    deliver = DeliverMail(outbox=outbox, mailer=mailer, clock=clock, apart_s=0)
    mailer.down = True
    await outbox.post(a_mail("slow@example.org"))
    assert not await deliver.one()
    mailer.down = False
    await outbox.post(a_mail())
    assert await deliver.one()
    clock.pass_(seconds=2)
    assert await deliver.one()
    assert [mail.to for mail in mailer.delivered] == ["ann@example.org", "slow@example.org"]


async def test_what_nobody_will_ever_take_is_dropped() -> None:
    outbox, mailer = FakeOutbox(), FakeMailer()
    mailer.unknown = {"nobody@example.org"}
    deliver = DeliverMail(outbox=outbox, mailer=mailer, clock=FakeClock(), apart_s=0)
    await outbox.post(a_mail("nobody@example.org"))
    assert not await deliver.one()
    assert outbox.later == []
    assert not await deliver.one()


async def test_a_refused_mail_outlives_a_short_outage_of_the_outbox() -> None:
    class Flaky(FakeOutbox):
        failures = 2

        @override
        async def put_back(self, mail: Mail, wait: timedelta) -> None:
            self.failures -= 1
            if self.failures >= 0:
                raise StorageUnavailable
            await super().put_back(mail, wait)

    outbox, mailer = Flaky(), FakeMailer()
    mailer.down = True
    await outbox.post(a_mail())
    assert not await DeliverMail(outbox=outbox, mailer=mailer, clock=FakeClock(), pause_s=0).one()
    assert [mail for _, mail in outbox.later] == [a_mail()]


async def test_goes_on_for_ever_whatever_is_down() -> None:
    outbox, mailer = FakeOutbox(), FakeMailer()
    outbox.refuse_with = StorageUnavailable()
    mailer.down = True
    deliver = DeliverMail(outbox=outbox, mailer=mailer, clock=FakeClock(), pause_s=0.001, apart_s=0)
    delivering = asyncio.create_task(deliver.forever())
    await asyncio.sleep(0.01)
    outbox.refuse_with = None
    await outbox.post(a_mail())
    await asyncio.sleep(0.05)
    mailer.down = False
    for n in range(3):
        await outbox.post(a_mail(f"u{n}@example.org"))
    for _ in range(200):
        if len(mailer.delivered) == 4:
            break
        await asyncio.sleep(0.01)
    delivering.cancel()
    with suppress(asyncio.CancelledError):
        await delivering
    assert {mail.to for mail in mailer.delivered} == {
        "ann@example.org",
        *(f"u{n}@example.org" for n in range(3)),
    }


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_code_mail_holds_the_code_and_says_what_for(purpose: Purpose) -> None:
    mail = code_mail("ann@example.org", purpose, "042042", START)
    assert (mail.to, mail.created_at) == ("ann@example.org", START)
    assert mail.text.count("042042") == 1
    assert "5 minutes" in mail.text


def test_the_owner_of_a_taken_address_gets_no_code() -> None:
    assert "code" not in already_registered_mail("ann@example.org", START).text


async def test_a_mail_in_hand_survives_being_stopped() -> None:
    class Slow(FakeMailer):
        @override
        async def deliver(self, mail: Mail) -> None:
            await asyncio.sleep(60)

    outbox = FakeOutbox()
    await outbox.post(a_mail())
    delivering = asyncio.create_task(DeliverMail(outbox=outbox, mailer=Slow(), clock=FakeClock()).one())
    await asyncio.sleep(0.05)
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering

    mailer = FakeMailer()
    assert await DeliverMail(outbox=outbox, mailer=mailer, clock=FakeClock(), apart_s=0).one()
    assert mailer.delivered == [a_mail()]


async def test_an_answer_is_not_slowed_by_the_mail_it_caused() -> None:
    outbox, mailer = FakeOutbox(), FakeMailer()
    await outbox.post(a_mail())
    deliver = DeliverMail(outbox=outbox, mailer=mailer, clock=FakeClock(), apart_s=0.05)
    delivering = asyncio.create_task(deliver.one())
    await asyncio.sleep(0.02)
    assert mailer.delivered == []
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    assert await deliver.one()  # stopped before it began, it was not lost
    assert mailer.delivered == [a_mail()]
