from datetime import timedelta

import pytest

from application.indexing.renew_index import AT_ONCE, RenewIndex
from domain.document import FileId, IndexState
from domain.user import UserId
from tests.builders import a_file, a_passage, a_user
from tests.fakes.clock import FakeClock
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.passages import FakePassages
from tests.fakes.persistence import FakeDatabase, FakeJobQueue, FakeWorkFactory
from tests.fakes.wakeup import FakeWakeup

FILES = AT_ONCE + 2


class House:
    def __init__(self) -> None:
        self.database, self.clock, self.wakeup = FakeDatabase(), FakeClock(), FakeWakeup()
        self.names: dict[FileId, str] = {}
        self.passages = FakePassages(self.names)
        self.work = FakeWorkFactory(self.database)
        self.queue = FakeJobQueue(self.database)

    async def indexed(self, model: str) -> None:
        async with self.work() as w:
            user = a_user("ann@example.org")
            w.users.add(user)
            await w.flush()
            for _ in range(FILES):
                file = a_file(UserId(user.id), rag_status=IndexState.INDEXED)
                w.files.add(file)
                await w.flush()
                self.names[file.id] = file.original_name
                await self._index(file.id, model)
            await w.commit()

    async def _index(self, file: FileId, model: str) -> None:
        (vector,) = await FakeEmbedder().embed(["text"])
        await self.passages.replace(file, [(a_passage(file, "text", UserId(1), 0, 1), vector)], model)

    def renew(self, model: str) -> RenewIndex:
        return RenewIndex(
            work=self.work,
            passages=self.passages,
            embedder=FakeEmbedder(model),
            wakeup=self.wakeup,
            clock=self.clock,
        )

    async def work_off(self, model: str) -> int:
        done = 0
        while job := await self.queue.claim("w", self.clock.now(), timedelta(seconds=30)):
            assert job.payload["quietly"] is True
            await self._index(FileId(job.number("file_id")), model)
            await self.queue.finish(job.id, job.holder)
            done += 1
        return done


@pytest.fixture
def house() -> House:
    return House()


async def test_nothing_is_to_do_while_the_model_stays(house: House) -> None:
    await house.indexed("old")

    assert await house.renew("old")() is False
    assert await house.work_off("old") == 0


async def test_a_new_model_renews_every_document_a_few_at_a_time(house: House) -> None:
    await house.indexed("old")
    renew = house.renew("new")

    assert await renew() is True
    assert await renew() is True  # nobody has come to it yet: not ordered twice
    assert await house.work_off("new") == AT_ONCE
    assert await renew() is True
    assert await house.work_off("new") == FILES - AT_ONCE
    assert await renew() is False
