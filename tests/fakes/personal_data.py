from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from application.ports.personal_data import PersonalRecords, RecordKind
from domain.user import UserId


@dataclass(eq=False)
class FakePersonalRecords(PersonalRecords):
    """The same for everybody."""

    kept: dict[RecordKind, Sequence[Mapping[str, object]]] = field(default_factory=dict)

    @override
    async def records(self, user: UserId, kind: RecordKind) -> AsyncIterator[Mapping[str, object]]:
        for record in self.kept.get(kind, ()):
            yield record
