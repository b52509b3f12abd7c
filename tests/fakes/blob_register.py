from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from typing_extensions import override

from application.ports.blob_register import BlobRegister, RegisteredBlob
from tests.fakes.persistence import FakeDatabase


@dataclass(frozen=True, slots=True)
class FakeBlobRegister(BlobRegister):
    database: FakeDatabase

    @override
    async def everything(self) -> AsyncGenerator[RegisteredBlob]:
        for each in sorted(self._all(), key=attrgetter("name")):
            yield each

    @override
    async def known(self, names: Sequence[str]) -> set[str]:
        return {each.name for each in self._all()}.intersection(names)

    def _all(self) -> list[RegisteredBlob]:
        tables = self.database.tables
        files = [
            RegisteredBlob(file.disk_name, file.created_at, None if file.deleted_at else file.id)
            for file in tables.files.values()
        ]
        exports = [RegisteredBlob(each.disk_name, each.created_at, None) for each in tables.exports.values()]
        return files + exports
