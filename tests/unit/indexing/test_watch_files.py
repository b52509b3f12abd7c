import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import override

from application.chat.audience import Audience
from application.indexing.queueing import queue_indexing
from application.indexing.watch_files import Watch, WatchFiles
from application.ports.persistence import FileProgress
from application.tasks import ended
from domain.document import FileId, IndexState, StoredFile
from domain.errors import StorageUnavailable
from domain.user import UserId
from tests.builders import a_file, a_user
from tests.fakes.clock import START
from tests.fakes.metrics import FakeReplyMetrics
from tests.fakes.persistence import FakeDatabase, FakeReading, FakeWorkFactory


@dataclass(eq=False)
class Desk:
    """Somebody's files, and a process in which they are watched."""

    database: FakeDatabase = field(default_factory=FakeDatabase)

    def __post_init__(self) -> None:
        self.work = FakeWorkFactory(self.database)
        audience = Audience(metrics=FakeReplyMetrics(), heartbeat_s=15)
        self.watching = WatchFiles(
            reading=FakeReading(self.database), audience=audience, pause_s=0.005, doubt_s=60
        )

    async def someone(self, name: str = "ann") -> UserId:
        async with self.work() as w:
            user = a_user(f"{name}@example.org")
            w.users.add(user)
            await w.commit()
        return user.id

    async def bring(self, owner: UserId) -> FileId:
        file = a_file(owner, rag_status=IndexState.PENDING)
        async with self.work() as w:
            w.files.add(file)
            await w.flush()
            await queue_indexing(w, file, START)
            await w.commit()
        return file.id

    def file(self, id: FileId) -> StoredFile:
        return self.database.tables.files[id]

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        following = asyncio.create_task(self.watching.follow())
        try:
            yield
        finally:
            await ended(following)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    async with desk.followed():
        yield desk


async def heard(watch: Watch) -> list[dict[str, Any]]:
    """The next events, in one piece."""
    async with asyncio.timeout(5):
        while not (piece := await watch.next()):
            pass
    assert piece.endswith(b"\n\n")
    return [json.loads(frame.removeprefix(b"data: ")) for frame in piece.split(b"\n\n")[:-1]]


async def test_first_how_it_stands_then_every_change(desk: Desk) -> None:
    ann = await desk.someone()
    first, second = await desk.bring(ann), await desk.bring(ann)
    async with desk.watching.watch(ann) as watch:
        waiting = {"status": "waiting", "filename": "notes.txt", "progress": None, "error": None}
        assert await heard(watch) == [{**waiting, "file_id": first}, {**waiting, "file_id": second}]

        row = next(iter(desk.database.tables.jobs.values()))
        row.state, row.progress = type(row.state)("running"), 40
        desk.watching.changed(ann)
        assert await heard(watch) == [
            {**waiting, "status": "indexing", "progress": 40, "file_id": first},
        ]


async def test_a_deleted_file_is_told_once(desk: Desk) -> None:
    ann = await desk.someone()
    id = await desk.bring(ann)
    async with desk.watching.watch(ann) as watch:
        await heard(watch)
        desk.file(id).deleted_at = START
        desk.watching.changed(ann)
        assert await heard(watch) == [{"status": "deleted", "file_id": id}]


async def test_what_happens_while_one_arrives_is_not_missed(desk: Desk) -> None:
    ann = await desk.someone()
    brought: list[FileId] = []

    class Busy(FakeReading):
        @override
        async def files_progress(self, owner: UserId) -> Sequence[FileProgress]:
            found = await super().files_progress(owner)
            if not brought:
                brought.append(await desk.bring(owner))  # nobody says so
            return found

    desk.watching.reading = Busy(desk.database)
    async with desk.watching.watch(ann) as watch:
        assert [event["file_id"] for event in await heard(watch)] == brought


async def test_a_slow_reader_is_told_the_newest_only(desk: Desk) -> None:
    ann = await desk.someone()
    id = await desk.bring(ann)
    (row,) = desk.database.tables.jobs.values()
    async with desk.watching.watch(ann) as slow, desk.watching.watch(ann) as quick:
        await heard(quick)
        for percent in (10, 20, 30):
            row.state, row.progress = type(row.state)("running"), percent
            desk.watching.changed(ann)
            assert [event["progress"] for event in await heard(quick)] == [percent]
        (event,) = await heard(slow)
        assert (event["file_id"], event["progress"]) == (id, 30)


async def test_others_hear_nothing(desk: Desk) -> None:
    ann, ben = await desk.someone(), await desk.someone("ben")
    async with desk.watching.watch(ann) as hers, desk.watching.watch(ben) as his:
        await desk.bring(ann)
        desk.watching.changed(ann)
        desk.watching.changed(ben)
        await heard(hers)
        listening = asyncio.create_task(his.next())
        await asyncio.sleep(0.03)
        assert not listening.done()
        his.quit()
        assert await listening == b""


async def test_lost_news_are_found_all_the_same(desk: Desk) -> None:
    ann = await desk.someone()
    desk.watching.doubt_s = 0.01
    async with desk.followed(), desk.watching.watch(ann) as watch:
        await asyncio.sleep(0.02)
        id = await desk.bring(ann)
        assert [event["file_id"] for event in await heard(watch)] == [id]


async def test_an_outage_delays_the_news_and_loses_none(desk: Desk) -> None:
    ann = await desk.someone()
    async with desk.watching.watch(ann) as watch:
        id = await desk.bring(ann)
        desk.database.down = True
        desk.watching.changed(ann)
        await asyncio.sleep(0.03)
        desk.database.down = False
        assert [event["file_id"] for event in await heard(watch)] == [id]


async def test_nobody_is_let_in_while_the_database_is_away(desk: Desk) -> None:
    desk.database.down = True
    with pytest.raises(StorageUnavailable):
        async with desk.watching.watch(UserId(1)):
            pass


async def test_at_the_end_everybody_is_shown_out(desk: Desk) -> None:
    ann = await desk.someone()
    async with AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(desk.watching.watch(ann)) for _ in range(3)]
        reading = [asyncio.create_task(watch.next()) for watch in watches]
        await asyncio.sleep(0)
        desk.watching.close()
        assert await asyncio.gather(*reading) == [b""] * 3
        assert all(watch.finished for watch in watches)
