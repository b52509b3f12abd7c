"""The product's own parts, wired as it wires them, on databases that are thrown away."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from adapters.sql import migrate
from application.ports.blobs import Blobs
from application.ports.knowledge import Knowledge
from application.ports.passages import Embedder
from application.ports.persistence import WorkFactory
from bench.retrieval.sources import Source
from domain.document import FileKind, StoredFile, index_name
from domain.user import Role, UserId, new_user
from entrypoints.wiring.container import build_container
from tests.integration.house import settings_for


@dataclass(frozen=True)
class Library:
    """The parts of a product that nobody else uses."""

    knowledge: Knowledge
    embedder: Embedder
    work: WorkFactory
    blobs: Blobs

    async def reader(self, email: str = "reader@example.org") -> UserId:
        async with self.work() as w:
            reader = new_user(email, "-", Role.STUDENT, datetime.now(UTC))
            w.users.add(reader)
            await w.commit()
        return reader.id

    async def stored(self, owner: UserId | None, name: str, content: bytes) -> StoredFile:
        """A file that is not indexed yet; without an owner it is everybody's."""

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        file = StoredFile(
            user_id=owner,
            public=owner is None,
            original_name=name,
            stored_name=name,
            disk_name=uuid4().hex,
            kind=FileKind.DOCUMENT,
            mime="application/octet-stream",
            size=len(content),
            sha256="",
            index_name=index_name(name),
            created_at=datetime.now(UTC),
        )
        await self.blobs.put(file.disk_name, pieces())
        async with self.work() as w:
            w.files.add(file)
            await w.commit()
        return file


@asynccontextmanager
async def library(folder: Path, **environ: str) -> AsyncIterator[Library]:
    settings = settings_for(folder / "data", **environ)
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url)
    container = build_container(settings)
    try:
        made = Library(
            await container.get(Knowledge),
            await container.get(Embedder),
            await container.get(WorkFactory),
            await container.get(Blobs),
        )
        await made.knowledge.check()  # what is loaded once is no page's cost
        yield made
    finally:
        await container.close()


@dataclass(frozen=True)
class Shelf:
    """Documents that are indexed, and who may search them. `seconds` is what indexing them took."""

    knowledge: Knowledge
    embedder: Embedder
    reader: UserId
    seconds: float


@asynccontextmanager
async def shelf(folder: Path, documents: Sequence[Source], **environ: str) -> AsyncIterator[Shelf]:
    """Every document of one reader's, indexed one after the other."""
    async with library(folder, **environ) as own:
        reader = await own.reader()
        seconds = 0.0
        for source in documents:
            made = source.build(folder)
            file = await own.stored(reader, made.name, await asyncio.to_thread(made.read_bytes))
            began = time.perf_counter()
            await own.knowledge.index(file)
            seconds += time.perf_counter() - began
        yield Shelf(own.knowledge, own.embedder, reader, seconds)
