"""All places where something may lie, as their owner sees them."""

import asyncio
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from redis import Redis

from tests.integration.house import House
from tests.integration.leaving import redis_url_of
from tests.servers.rag_service import RagServiceServer

Found = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Stores:
    """`spared` are tables that keep what they know. `more` is looked through too: logs, temporary folders."""

    house: House
    rag: RagServiceServer | None = None
    spared: Collection[str] = ()
    more: Mapping[str, Path] = field(default_factory=dict)

    async def traces(self, *words: str) -> list[str]:
        """Where one of the words still is."""
        found = [*await self._database(), *await asyncio.to_thread(lambda: list(self._elsewhere()))]
        return [
            f"{where}: {text[:100]!r}"
            for where, text in found
            if any(word.casefold() in text.casefold() for word in words)
        ]

    async def where(self, *words: str) -> set[str]:
        """The kinds of places."""
        return {trace.partition(":")[0] for trace in await self.traces(*words)}

    async def _database(self) -> Sequence[tuple[str, str]]:
        """Every row of every table, those of full-text indexes included."""
        url = self.house.settings.sqlalchemy_url
        if url.startswith("sqlite"):
            return await asyncio.to_thread(lambda: list(self._sqlite(_file(url))))
        return await self._postgresql(url.replace("+asyncpg", ""))

    def _sqlite(self, file: Path) -> Found:
        with closing(sqlite3.connect(file)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in names:
                if name not in self.spared:
                    for row in database.execute(f'SELECT * FROM "{name}"'):
                        yield name, " ".join(map(_text, row))
        for path in () if self.spared else file.parent.glob(f"{file.name}*"):
            yield f"bytes of {path.name}", _text(path.read_bytes())

    async def _postgresql(self, url: str) -> Sequence[tuple[str, str]]:
        database = await asyncpg.connect(url)
        try:
            tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return [
                (name, row["told"])
                for (name,) in tables
                if name not in self.spared
                for row in await database.fetch(f'SELECT t::text AS told FROM "{name}" t')
            ]
        finally:
            await database.close()

    def _elsewhere(self) -> Found:
        yield from self._redis()
        settings = self.house.settings
        folders = {"blobs": Path(settings.upload_dir), "static": settings.static_dir}
        folders |= {"run": settings.data_dir / "run", **self.more}
        for where, folder in folders.items():
            for path in [folder, *folder.rglob("*")]:
                yield "name", path.name
                if path.is_file():
                    yield from ((where, text) for text in _contents(path.read_bytes()))
        if self.rag is not None:
            yield "rag", repr(self.rag.bases)

    def _redis(self) -> Found:
        with Redis.from_url(redis_url_of(self.house)) as redis:
            for key in redis.scan_iter():
                name = key.decode()
                yield "redis", name + _text(redis.dump(key) or b"")
                if name.startswith("chat:events:"):
                    yield from (("redis", text) for text in _frames(redis.xrange(key)))


def _file(url: str) -> Path:
    return Path("/" + url.rpartition("///")[2].lstrip("/"))


def _frames(entries: Any) -> Iterator[str]:
    """What the copy of a reply says; it is kept compressed."""
    return (_text(zlib.decompress(fields[b"e"])) for _, fields in entries)


def _contents(content: bytes) -> Iterator[str]:
    """The bytes, and what an archive has in it."""
    yield _text(content)
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name + _text(archive.read(name))


def _text(cell: object) -> str:
    return cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)
