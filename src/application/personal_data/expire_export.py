from dataclasses import dataclass

from application.ports.blobs import Blobs
from application.ports.persistence import WorkFactory
from domain.export import ExportId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireExport:
    """An archive that nobody fetched in time, or whose transfer never came to an end, goes."""

    work: WorkFactory
    blobs: Blobs

    async def __call__(self, id: ExportId) -> None:
        async with self.work() as w:
            export = await w.exports.get(id)
        if export is None:
            return
        await self.blobs.erase(export.disk_name)
        async with self.work() as w:
            await w.exports.remove(id)
            await w.commit()
