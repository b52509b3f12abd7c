"""Which avatars there are, and what each looks like."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An avatar as the catalogue tells of it. Several may be drawn with one look."""

    look: str
    description: str
    timbre: str
    tts_model: str
    avatar_model: str

    def told(self) -> dict[str, object]:
        return {
            "tts_model": self.tts_model,
            "timbre": self.timbre,
            "avatar_model": self.avatar_model,
            "description": self.description,
            "support_clone": False,
            "avatar_blur": False,
            "created_at": None,
            "status": "active",
        }


class NoPictures(Exception):
    """They cannot be drawn; the message says why."""


@dataclass(eq=False, slots=True)
class Catalogue:
    """`draw` makes the pictures of all looks. It is asked when the first one is wanted, and again only if it
    raised NoPictures."""

    entries: Mapping[str, Entry]
    draw: Callable[[], Awaitable[Mapping[str, bytes]]]
    _pictures: Mapping[str, bytes] = field(default_factory=dict, init=False)
    _drawing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def picture(self, name: str) -> bytes | None:
        """A PNG; None when there is no such avatar. Raises NoPictures."""
        if name not in self.entries:
            return None
        async with self._drawing:
            if not self._pictures:
                self._pictures = await self.draw()
        return self._pictures[self.entries[name].look]
