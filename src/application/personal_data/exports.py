from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.personal_data.archives import called_off
from application.ports.blobs import Blobs
from application.ports.clock import Clock
from application.ports.persistence import WorkFactory
from application.ports.personal_data import Departed, PersonalStore, StillThere
from domain.export import Export


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExports(PersonalStore):
    """Archives that were made or are being made on the user's request."""

    name: ClassVar[str] = "exports"
    work: WorkFactory
    blobs: Blobs
    clock: Clock

    @override
    async def erase(self, departed: Departed) -> int:
        async with self.work() as w:
            exports = await w.exports.of(departed.id)
        erased = sum([await self._erase(export) for export in exports])
        if erased < len(exports):
            raise StillThere(erased)
        return erased

    async def _erase(self, export: Export) -> bool:
        """Whether it is gone: not while somebody may still be making it."""
        gone = await called_off(self.work, self.blobs, export, self.clock.now())
        if gone:
            async with self.work() as w:
                await w.exports.remove(export.id)
                await w.commit()
        return gone
