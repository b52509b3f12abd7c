from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from application.ports.personal_data import Departed, PersonalStore
from application.ports.pictures import Pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePictures(PersonalStore):
    name: ClassVar[str] = "pictures"
    pictures: Pictures

    @override
    async def erase(self, departed: Departed) -> int:
        names = [name async for name in self.pictures.of(departed.id)]
        for name in names:
            await self.pictures.erase(name)
        return len(names)
