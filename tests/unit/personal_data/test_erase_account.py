"""Every store is asked until it has confirmed, and there is one receipt."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from application.accounts.bury import bury
from application.jobs.work_off import LEASE, WorkOff
from application.personal_data.erase_account import EraseAccount
from application.ports.personal_data import Departed, PersonalStore, StillThere
from domain.errors import DomainError, StorageUnavailable
from domain.job import Job, JobKind, JobState
from domain.tutor_request import RequestStatus, TutorRequest
from domain.user import User, UserId
from tests.builders import a_file, a_stored_session, a_user, an_open_reply
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeJobMetrics
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory, JobRow, Tables
from tests.fakes.wakeup import FakeWakeup

ANN = "ann@example.org"


class PowerCut(BaseException):
    """The process is gone, in the middle of whatever it did."""


@dataclass(eq=False)
class Drawer(PersonalStore):
    """Holds so many things of everybody; fails with these first, one after another."""

    name: ClassVar[str] = "drawer"
    things: int = 1
    failures: list[BaseException] = field(default_factory=list)
    asked: list[Departed] = field(default_factory=list)

    @override
    async def erase(self, departed: Departed) -> int:
        self.asked.append(departed)
        if self.failures:
            raise self.failures.pop(0)
        things, self.things = self.things, 0
        return things


class Shelf(Drawer):
    name: ClassVar[str] = "shelf"


class Attic(Drawer):
    name: ClassVar[str] = "attic"


class LosesOneCommit(FakeDatabase):
    """The one with that number, counted from the first."""

    to_lose = 0

    @override
    def commit(self, tables: Tables) -> None:
        if self.commits + 1 == self.to_lose:
            self.to_lose = 0
            raise StorageUnavailable
        super().commit(tables)


class Cellar:
    """A house with three places where things may lie, and its worker."""

    def __init__(self, database: FakeDatabase | None = None) -> None:
        self.clock = FakeClock()
        self.database = database or FakeDatabase()
        self.work = FakeWorkFactory(self.database)
        self.drawer, self.shelf, self.attic = Drawer(), Shelf(things=3), Attic(things=2)
        self.queue = FakeJobQueue(self.database)
        self.erase = EraseAccount(
            work=self.work, stores=[self.drawer, self.shelf, self.attic], clock=self.clock
        )

    async def buried(self) -> User:
        async with self.work() as w:
            user = a_user(ANN)
            w.users.add(user)
            await w.commit()
        async with self.work() as w:
            found = await w.users.get(user.id)
            assert found is not None
            session = await a_stored_session(w, user.id)
            w.messages.add(an_open_reply(session.id))
            await w.flush()
            await bury(w, found, self.clock.now())
            await w.commit()
        return user

    @property
    def job(self) -> JobRow:
        (row,) = self.database.tables.jobs.values()
        return row

    @property
    def receipts(self) -> list[dict[str, Any]]:
        return [dict(line.details or {}) for line in self.database.tables.log if line.action == "erase"]

    async def one(self) -> bool:
        """A worker takes what is due."""

        async def erase(job: Job) -> None:
            assert not job.is_last_try
            await self.erase(job.payload)

        worker = WorkOff(
            queue=self.queue,
            wakeup=FakeWakeup(),
            clock=self.clock,
            doing={JobKind.ERASE_ACCOUNT: erase},
            worker="w1",
            metrics=FakeJobMetrics(),
        )
        return await worker.one()

    async def power_cut(self) -> None:
        """A worker takes what is due, and is gone before it can say how that went."""
        job = await self.queue.claim("w0", self.clock.now(), LEASE)
        assert job is not None
        with pytest.raises(PowerCut):
            await self.erase(job.payload)

    async def later(self, time: timedelta = timedelta(minutes=11)) -> bool:
        self.clock.pass_(time)
        return await self.one()


@pytest.fixture
def house() -> Cellar:
    return Cellar()


class TestEverybodyIsAsked:
    async def test_and_the_receipt_says_what_was_erased_when(self, house: Cellar) -> None:
        ann = await house.buried()
        assert await house.one()
        (receipt,) = house.receipts
        now = house.clock.now().isoformat()
        assert receipt == {
            "database": {"erased": 3, "at": now},  # a session, a message, the profile
            "drawer": {"erased": 1, "at": now},
            "shelf": {"erased": 3, "at": now},
            "attic": {"erased": 2, "at": now},
        }
        line = house.database.tables.log[-1]
        assert (line.operator, line.role, line.target, line.target_email) == ("system", "system", ann.id, ANN)
        assert ann.id not in house.database.tables.users
        assert (house.job.state, house.job.payload) == (JobState.DONE, {})

    async def test_knowing_who_has_left_and_which_replies_he_got(self, house: Cellar) -> None:
        ann = await house.buried()
        await house.one()
        (departed,) = house.shelf.asked
        assert (departed.id, departed.email, departed.deleted_at) == (ann.id, ANN, house.clock.now())
        assert len(departed.replies) == 1

    @pytest.mark.parametrize("failure", [StorageUnavailable(), StillThere(), RuntimeError("a bug")])
    async def test_whoever_fails_keeps_nobody_from_it(
        self, house: Cellar, failure: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        await house.buried()
        house.drawer.failures = [failure]
        await house.one()
        assert house.receipts == []
        assert (house.shelf.things, house.attic.things) == (0, 0)
        assert "a store has not been erased yet" in caplog.text
        assert ("a job failed" in caplog.text) is not isinstance(failure, DomainError)

    async def test_until_all_have_confirmed_and_then_no_more(self, house: Cellar) -> None:
        await house.buried()
        house.drawer.failures = [StorageUnavailable() for _ in range(20)]  # more than other jobs are tried
        house.attic.failures = [StorageUnavailable()]
        await house.one()
        for _ in range(20):
            assert house.receipts == []
            assert await house.later()
        assert len(house.receipts) == 1
        assert [len(store.asked) for store in (house.drawer, house.shelf, house.attic)] == [21, 1, 2]
        assert not await house.later()

    async def test_not_before_the_time_of_the_next_try(self, house: Cellar) -> None:
        await house.buried()
        house.drawer.failures = [StorageUnavailable()]
        await house.one()
        assert not await house.later(timedelta(seconds=1))
        assert await house.later(timedelta(seconds=1))

    async def test_what_was_erased_in_several_goes_is_added_up(self, house: Cellar) -> None:
        await house.buried()
        house.shelf.failures = [StillThere(4), StillThere(2), StillThere()]
        await house.one()
        for _ in range(3):
            await house.later()
        assert house.receipts[0]["shelf"]["erased"] == 9


class TestAfterACrash:
    @pytest.mark.parametrize("where", ["drawer", "shelf", "attic"])
    async def test_in_a_store_only_that_one_is_asked_again(self, house: Cellar, where: str) -> None:
        await house.buried()
        getattr(house, where).failures = [PowerCut()]
        await house.power_cut()
        await house.later(LEASE + timedelta(seconds=1))
        asked = {store.name: len(store.asked) for store in (house.drawer, house.shelf, house.attic)}
        assert asked == {**dict.fromkeys(asked, 1), where: 2}
        assert len(house.receipts) == 1
        assert house.receipts[0]["shelf"]["erased"] == 3

    @pytest.mark.parametrize("lost", range(1, 5))
    async def test_or_an_outage_at_any_commit_there_is_one_receipt(self, lost: int) -> None:
        database = LosesOneCommit()
        house = Cellar(database)
        await house.buried()
        database.to_lose = database.commits + lost
        await house.one()
        assert house.receipts == []
        await house.later()
        assert len(house.receipts) == 1
        assert house.job.state is JobState.DONE

    async def test_between_the_receipt_and_the_end_of_the_job_nothing_is_done_twice(
        self, house: Cellar
    ) -> None:
        await house.buried()
        payload = json.loads(json.dumps(house.job.payload))
        await house.erase(payload)  # and the power went before the job was finished
        assert len(house.receipts) == 1
        await house.one()
        assert len(house.receipts) == 1
        assert [len(store.asked) for store in (house.drawer, house.shelf, house.attic)] == [1, 1, 1]
        assert house.job.state is JobState.DONE


class TestLateArrivals:
    async def test_are_erased_in_another_round(self, house: Cellar) -> None:
        ann = await house.buried()
        house.attic.failures = [StorageUnavailable()]
        await house.one()
        async with house.work() as w:  # a request that was let in before the deletion
            session = await a_stored_session(w, ann.id)
            reply = an_open_reply(session.id)
            w.messages.add(reply)
            await w.commit()

        await house.later()
        assert house.receipts == []
        await house.later()

        (receipt,) = house.receipts
        assert house.shelf.asked[-1].replies[-1] == (session.id, reply.id)
        assert receipt["database"]["erased"] == 5
        assert receipt["shelf"]["erased"] == 3
        assert not house.database.tables.sessions
        assert not house.database.tables.messages

    async def test_a_late_file_keeps_the_row_until_somebody_has_erased_it(self, house: Cellar) -> None:
        ann = await house.buried()
        async with house.work() as w:
            file = a_file(ann.id)
            w.files.add(file)
            await w.commit()
        await house.one()
        await house.later()
        assert house.receipts == []
        async with house.work() as w:
            await w.files.remove(file.id)
            await w.commit()
        await house.later()
        assert len(house.receipts) == 1


async def test_an_unknown_account_has_nothing_to_be_erased(house: Cellar) -> None:
    payload = {
        "user_id": UserId(99), "email": ANN, "deleted_at": "2026-01-01T00:00:00+00:00",
        "replies": [], "done": {},
    }  # read as a table # fmt: skip
    await house.erase(payload)
    assert house.receipts == []


@pytest.mark.parametrize("taken", [True, False])
async def test_a_decision_that_came_late_names_nobody_unless_the_address_is_somebody_elses(
    taken: bool,
) -> None:
    cellar = Cellar()
    await cellar.buried()
    async with cellar.work() as w:
        ben = a_user("ben@example.org")
        w.users.add(ben)
        await w.flush()
        if taken:
            w.users.add(a_user(ANN))
        late = TutorRequest(user_id=ben.id, reason="", created_at=cellar.clock.now())
        late.decide(RequestStatus.REJECTED, ANN, cellar.clock.now())
        w.tutor_requests.add(late)
        await w.commit()

    assert await cellar.one()

    assert cellar.receipts
    (kept,) = cellar.database.tables.tutor_requests.values()
    assert kept.decided_by == (ANN if taken else None)
