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
class Shelf:
    """Documents that are indexed, and who may search them. `seconds` is what indexing them took."""

    knowledge: Knowledge
    embedder: Embedder
    reader: UserId
    seconds: float


@asynccontextmanager
async def shelf(folder: Path, documents: Sequence[Source], **environ: str) -> AsyncIterator[Shelf]:
    """Every document of one reader's, indexed one after the other."""
    settings = settings_for(folder / "data", **environ)
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url)
    container = build_container(settings)
    try:
        work, blobs = await container.get(WorkFactory), await container.get(Blobs)
        knowledge, embedder = await container.get(Knowledge), await container.get(Embedder)
        reader = await _a_reader(work)
        await knowledge.check()  # what is loaded once is no page's cost
        seconds = 0.0
        for source in documents:
            file = await _stored(work, blobs, reader, source.build(folder))
            began = time.perf_counter()
            await knowledge.index(file)
            seconds += time.perf_counter() - began
        yield Shelf(knowledge, embedder, reader, seconds)
    finally:
        await container.close()


async def _a_reader(work: WorkFactory) -> UserId:
    async with work() as w:
        reader = new_user("reader@example.org", "-", Role.STUDENT, datetime.now(UTC))
        w.users.add(reader)
        await w.commit()
    return reader.id


async def _stored(work: WorkFactory, blobs: Blobs, reader: UserId, made: Path) -> StoredFile:
    content = await asyncio.to_thread(made.read_bytes)

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    file = StoredFile(
        user_id=reader,
        original_name=made.name,
        stored_name=made.name,
        disk_name=uuid4().hex,
        kind=FileKind.DOCUMENT,
        mime="application/octet-stream",
        size=len(content),
        sha256="",
        index_name=index_name(made.name),
        created_at=datetime.now(UTC),
    )
    await blobs.put(file.disk_name, pieces())
    async with work() as w:
        w.files.add(file)
        await w.commit()
    return file
