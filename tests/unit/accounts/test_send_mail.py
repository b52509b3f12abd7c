from datetime import timedelta

import pytest
from typing_extensions import override

from application.accounts.mails import password_changed_mail
from application.accounts.send_mail import SendMail, post
from application.jobs.work_off import WorkOff
from application.ports.mail import Mail, MailRefused
from domain.job import Job, JobKind, JobState
from tests.fakes.clock import START, FakeClock
from tests.fakes.mail import FakeMailer
from tests.fakes.metrics import FakeJobMetrics
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory, JobRow
from tests.fakes.wakeup import FakeWakeup

MAIL = password_changed_mail("ann@example.org", START)


class Broken(FakeMailer):
    """Has a bug that only some mails meet."""

    @override
    async def deliver(self, mail: Mail) -> None:
        raise ValueError(mail.to)


class Postroom:
    def __init__(self, mailer: FakeMailer | None = None) -> None:
        self.clock, self.mailer, self.database = FakeClock(), mailer or FakeMailer(), FakeDatabase()
        self.work = FakeWorkFactory(self.database)
        self.send = SendMail(mailer=self.mailer, clock=self.clock, retry_for=timedelta(hours=1))

        async def send(job: Job) -> None:
            await self.send(job.payload)

        self.work_off = WorkOff(
            queue=FakeJobQueue(self.database),
            wakeup=FakeWakeup(),
            clock=self.clock,
            doing={JobKind.SEND_MAIL: send},
            worker="w1",
            metrics=FakeJobMetrics(),
        )

    async def post(self) -> None:
        async with self.work() as w:
            await post(w, MAIL)
            await w.commit()

    @property
    def job(self) -> JobRow:
        (job,) = self.database.tables.jobs.values()
        return job


@pytest.fixture
def room() -> Postroom:
    return Postroom()


async def test_a_mail_goes_out_with_the_change_it_tells_of(room: Postroom) -> None:
    async with room.work() as w:
        await post(w, MAIL)  # and no commit
    assert not await room.work_off.one()
    await room.post()
    assert await room.work_off.one()

    assert room.mailer.delivered == [MAIL]
    assert (room.job.state, room.job.payload) == (JobState.DONE, {})  # nothing about anybody is left
    assert not await room.work_off.one()


async def test_a_refused_mail_is_tried_again_with_growing_pauses_until_it_arrives(room: Postroom) -> None:
    await room.post()
    room.mailer.down = True
    pauses = []
    for _ in range(12):  # more often than other jobs are tried
        assert await room.work_off.one()
        pauses.append((room.job.run_at - room.clock.now()).total_seconds())
        room.clock.pass_(room.job.run_at - room.clock.now())
        if len(pauses) == 9:
            room.mailer.down = False
            break
    assert await room.work_off.one()

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert room.mailer.delivered == [MAIL]


async def test_a_mail_that_is_too_old_is_given_up(room: Postroom) -> None:
    await room.post()
    room.mailer.down = True
    with pytest.raises(MailRefused):
        await room.send(room.job.payload)
    room.clock.pass_(timedelta(hours=1))
    assert await room.work_off.one()

    assert room.job.state is JobState.DONE
    assert room.mailer.delivered == []


async def test_a_mail_nobody_will_ever_take_is_given_up_at_once(room: Postroom) -> None:
    await room.post()
    room.mailer.unknown = {"ann@example.org"}
    assert await room.work_off.one()

    assert room.job.state is JobState.DONE


async def test_a_mail_that_meets_a_bug_is_given_up_in_time_too(caplog: pytest.LogCaptureFixture) -> None:
    room = Postroom(Broken())
    await room.post()
    assert await room.work_off.one()
    assert room.job.state is JobState.WAITING
    room.clock.pass_(timedelta(hours=1))
    caplog.clear()
    assert await room.work_off.one()

    assert (room.job.state, room.job.payload) == (JobState.DONE, {})
    (line,) = [record for record in caplog.records if record.message == "a mail was given up"]
    assert (line.__dict__["subject"], line.__dict__["error"]) == (MAIL.subject, "ValueError")
    assert MAIL.to not in caplog.text
