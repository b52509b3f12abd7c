"""The catalogue as everybody sees it: also while the live server is busy for minutes, and without asking it
for every look."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from typing_extensions import override

from application.avatars.kept_pictures import KeptPictures
from application.ports.avatar_catalogue import Added, AvatarCatalogue, NewAvatar, Picture
from application.ports.catalogue_copies import CatalogueCopies
from application.tasks import ended
from domain.avatar import AvatarName
from domain.catalogue import Look
from domain.errors import DomainError, StorageUnavailable

log = logging.getLogger(__name__)

FRESH_S = 10.0
PATIENCE_S = 1.0  # for a newer list, where there is one that will do

Avatars = Mapping[AvatarName, Look]


class CachedCatalogue(AvatarCatalogue):
    """Asks `source` where what is known is too old. A list counts as new for 10 s and stands in for half an
    hour, a preview counts for ten minutes; adding and deleting end all that, at every worker.

    The list lies with the other workers' in `copies`, so that one of them that was never asked has something
    to show too. Previews are too large for that: each worker keeps its own, and those of an edition that is
    over count for nothing.
    """

    def __init__(
        self,
        source: AvatarCatalogue,
        copies: CatalogueCopies,
        clock: Callable[[], float] = time.monotonic,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._source = source
        self._copies = copies
        self._clock = clock
        self._patience_s = patience_s
        self._pictures = KeptPictures(clock)
        self._asking: dict[int, asyncio.Task[Avatars | DomainError]] = {}  # by edition
        self._not_before = 0.0  # after a failure, where there is a copy

    @override
    async def avatars(self) -> Avatars:
        edition = await self._copies.edition()
        copy = await self._copies.latest(edition)
        if copy and (copy.age_s < FRESH_S or self._clock() < self._not_before):
            return copy.avatars
        asking = self._asked(edition)
        await asyncio.wait({asking}, timeout=self._patience_s if copy else None)
        said = asking.result() if asking.done() else None
        if isinstance(said, Mapping):
            return said
        if copy:
            return copy.avatars
        raise said or StorageUnavailable

    @override
    async def preview(self, name: AvatarName) -> Picture:
        edition = await self._copies.edition()
        picture = self._pictures.get(edition, name)
        if picture is None:
            picture = await self._source.preview(name)
            self._pictures.put(edition, name, picture)
        return picture

    @override
    async def add(self, new: NewAvatar) -> Added:
        added = await self._source.add(new)
        await self._changed()
        return added

    @override
    async def delete(self, name: AvatarName) -> str:
        said = await self._source.delete(name)
        await self._changed()
        return said

    @override
    async def check(self) -> None:
        await self._source.check()

    async def close(self) -> None:
        await ended(*self._asking.values())

    def _asked(self, edition: int) -> "asyncio.Task[Avatars | DomainError]":
        """The one question about this edition that is under way."""
        asking = self._asking.get(edition)
        if asking is None:
            asking = self._asking[edition] = asyncio.create_task(self._ask(edition))
            asking.add_done_callback(lambda _: self._asking.pop(edition))
        return asking

    async def _ask(self, edition: int) -> Avatars | DomainError:
        try:
            avatars = await self._source.avatars()
        except DomainError as error:
            self._not_before = self._clock() + FRESH_S
            return error
        with suppress(StorageUnavailable):  # the answer is there all the same
            await self._copies.keep(edition, avatars)
        return avatars

    async def _changed(self) -> None:
        """It has happened, whoever can be told."""
        try:
            await self._copies.end_edition()
        except StorageUnavailable:
            log.warning("a change of the catalogue could not be announced")
