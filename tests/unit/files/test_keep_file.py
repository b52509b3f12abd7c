"""Uploads leave room in the database for everybody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from application.files.keep_file import WRITERS
from application.ports.persistence import Work, WorkFactory
from tests.unit.files.desk import ANN, TEXT, Desk


@dataclass(eq=False)
class WatchedWork(WorkFactory):
    """Knows how many units of work were open or awaited at a time."""

    work: WorkFactory
    now: int = 0
    most: int = 0

    @override
    def __call__(self) -> AbstractAsyncContextManager[Work]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Work]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)  # the others get their chance
        async with self.work() as w:
            yield w
        self.now -= 1


async def test_of_a_crowd_that_uploads_only_a_few_wait_for_the_database_at_a_time(tmp_path: Path) -> None:
    desk = await Desk(tmp_path).opened()
    watched = WatchedWork(desk.work)
    keep_file = replace(desk.keep_file, work=watched)
    upload_file = replace(desk.upload_file, keep_file=keep_file)
    files = [await desk.incoming(f"{n}.txt", TEXT) for n in range(10)]

    await asyncio.gather(*(upload_file(ANN, file, None) for file in files))

    assert watched.most == WRITERS
    assert len(desk.database.tables.files) == 10
