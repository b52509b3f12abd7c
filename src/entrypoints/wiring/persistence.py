"""One engine per process. Units of work are short and come from an APP-scoped factory: nothing that holds a
connection lives as long as a request."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dishka import Provider, Scope, provide
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

import adapters.sql.mapping  # noqa: F401  (importing it maps the entities)
from adapters.pictures.disk import DiskPictures
from adapters.sql.blob_register import SqlBlobRegister
from adapters.sql.engine import database, reading
from adapters.sql.full_text import SqlFullText
from adapters.sql.health import DatabaseProbe
from adapters.sql.jobs import SqlJobQueue
from adapters.sql.migrate import is_current
from adapters.sql.passages import SqlPassages
from adapters.sql.reading import SqlReading
from adapters.sql.work import SqlWorkFactory
from application.ports.blob_register import BlobRegister
from application.ports.blobs import Blobs
from application.ports.full_text import FullText
from application.ports.passages import Passages
from application.ports.persistence import JobQueue, Reading, WorkFactory
from application.ports.pictures import Pictures
from entrypoints.http.controllers.pages import SHIPPED_PICTURES
from entrypoints.http.lifecycle import Lifecycle
from entrypoints.settings import Settings
from entrypoints.wiring.blobs import blobs_of


@dataclass(frozen=True, slots=True)
class Sessions:
    writing: async_sessionmaker[AsyncSession]
    reading: AsyncEngine


class PersistenceProvider(Provider):
    scope = Scope.APP

    @provide
    async def sessions(self, settings: Settings) -> AsyncIterator[Sessions]:
        engine, writing = database(settings.sqlalchemy_url)
        yield Sessions(writing, reading(engine))
        await engine.dispose()

    @provide
    def work(self, sessions: Sessions) -> WorkFactory:
        return SqlWorkFactory(sessions.writing)

    @provide
    def reading(self, sessions: Sessions) -> Reading:
        return SqlReading(sessions.reading)

    @provide
    def queue(self, sessions: Sessions) -> JobQueue:
        return SqlJobQueue(sessions.writing, sessions.reading)

    @provide
    def passages(self, sessions: Sessions) -> Passages:
        return SqlPassages(sessions.writing, sessions.reading)

    @provide
    def full_text(self, sessions: Sessions) -> FullText:
        return SqlFullText(sessions.writing, sessions.reading)

    @provide
    def probe(self, sessions: Sessions) -> DatabaseProbe:
        return DatabaseProbe(sessions.reading)

    @provide
    async def blobs(self, settings: Settings) -> AsyncIterator[Blobs]:
        async with blobs_of(settings) as blobs:
            yield blobs

    @provide
    def blob_register(self, sessions: Sessions) -> BlobRegister:
        return SqlBlobRegister(sessions.reading)

    @provide
    def pictures(self, settings: Settings) -> Iterator[Pictures]:
        pool = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        yield DiskPictures(settings.static_dir / "avatars", SHIPPED_PICTURES, pool)
        pool.shutdown(wait=False)

    @provide
    def lifecycle(self, settings: Settings) -> Lifecycle:
        return Lifecycle(lambda: is_current(settings.sqlalchemy_url))
