"""Following how it stands with one's files, whoever works on them. The database is asked; what workers call
only tells when."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from typing_extensions import override

from application.chat.audience import Audience
from application.chat.seat import Seat
from application.indexing.standing import standing
from application.ports.persistence import FileProgress, Reading
from domain.document import FileId
from domain.errors import StorageUnavailable
from domain.user import UserId

PAUSE_S = 0.2  # between two looks: many changes at once are one piece of news
DOUBT_S = 10.0  # after so long without news we look all the same
DELETED = "deleted"


@dataclass(eq=False, slots=True, kw_only=True)
class Watch(Seat):
    """What one reader is told: of each file the newest state, so that one who reads slowly has less to read
    and costs no more."""

    _known: dict[FileId, FileProgress] = field(default_factory=dict, init=False)
    _untold: dict[FileId, bytes] = field(default_factory=dict, init=False)

    def see(self, files: Iterable[FileProgress]) -> None:
        """So it stands now with all his files."""
        now = {file.id: file for file in files}
        for id in self._known.keys() - now.keys():
            self._untold[id] = _frame({"status": DELETED, "file_id": id})
        for id, file in now.items():
            if self._known.get(id) != file:
                self._untold[id] = _frame(told(file))
        self._known = now
        if self._untold:
            self.wake()

    @override
    async def next(self) -> bytes:
        if not self._untold and not self.left:
            await self.rest()
        piece = b"".join(self._untold.values())
        self._untold.clear()
        self.since = time.monotonic()
        return piece


@dataclass(eq=False, slots=True)
class _Watched:
    watches: set[Watch] = field(default_factory=set)
    looked_at: float = 0.0


@dataclass(eq=False, slots=True, kw_only=True)
class WatchFiles:
    """Those who watch their files in this process. `follow` runs for ever beside them."""

    reading: Reading
    audience: Audience
    pause_s: float = PAUSE_S
    doubt_s: float = DOUBT_S
    _watched: dict[UserId, _Watched] = field(default_factory=dict, init=False)
    _changed: set[UserId] = field(default_factory=set, init=False)
    _rung: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @asynccontextmanager
    async def watch(self, user: UserId) -> AsyncIterator[Watch]:
        """Is told how it stands with each of the user's files, then of every change, as long as the context
        lasts. Raises StorageUnavailable."""
        watch = Watch()
        watch.see(await self.reading.files_progress(user))
        with self.audience.attended(watch):
            self._watched.setdefault(user, _Watched()).watches.add(watch)
            self.changed(user)  # what has happened since we looked
            try:
                yield watch
            finally:
                left = self._watched[user].watches
                left.discard(watch)
                if not left:
                    del self._watched[user]

    def changed(self, user: UserId) -> None:
        """It may stand differently with one of the user's files."""
        if user in self._watched:
            self._changed.add(user)
            self._rung.set()

    def close(self) -> None:
        """Show everybody out: they go on at another worker."""
        for watched in self._watched.values():
            for watch in watched.watches:
                watch.quit()

    async def follow(self) -> None:
        """Looks again, for ever, at what may have changed."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), self.doubt_s)
            self._rung.clear()
            for user in self._due():
                await self._look(user)
            await asyncio.sleep(self.pause_s)

    def _due(self) -> set[UserId]:
        long_ago = time.monotonic() - self.doubt_s
        in_doubt = {user for user, watched in self._watched.items() if watched.looked_at <= long_ago}
        due, self._changed = self._changed | in_doubt, set()
        return due

    async def _look(self, user: UserId) -> None:
        try:
            files = await self.reading.files_progress(user)
        except StorageUnavailable:
            self.changed(user)
            return
        if watched := self._watched.get(user):
            watched.looked_at = time.monotonic()
            for watch in watched.watches:
                watch.see(files)


def told(file: FileProgress) -> dict[str, object]:
    """How it stands with a file, for its owner; a document that waits may have the error of its last try."""
    return {
        "status": standing(file),
        "file_id": file.id,
        "filename": file.name,
        "progress": file.progress,
        "error": file.rag_error,
    }


def _frame(event: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
