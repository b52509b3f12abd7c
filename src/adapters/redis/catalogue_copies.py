"""`avatar:catalogue:{server}`: the last good list of avatars; `avatar:edition:{server}`: a number that every
change of the catalogue moves on."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.catalogue_copies import KEPT_S, CatalogueCopies, Copy
from domain.avatar import AvatarName
from domain.catalogue import Look

KEEP = """
if (redis.call('GET', KEYS[1]) or '0') ~= ARGV[1] then return end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
"""


class _Kept(msgspec.Struct):
    edition: int
    avatars: dict[str, Look]


@dataclass(frozen=True, slots=True)
class RedisCatalogueCopies(CatalogueCopies):
    """What another live server said does not count: `server` is the address of ours."""

    redis: Redis
    server: str

    @override
    async def edition(self) -> int:
        with translated():
            return int(await self.redis.get(self._key("edition")) or 0)

    @override
    async def latest(self, edition: int) -> Copy | None:
        key = self._key("catalogue")
        with translated():
            async with self.redis.pipeline(transaction=True) as pipeline:
                _ = pipeline.get(key)
                _ = pipeline.pttl(key)
                kept, left_ms = await pipeline.execute()
        found = _decoded(kept) if kept else None
        if found is None or found.edition != edition or left_ms < 0:
            return None
        avatars = {AvatarName(name): look for name, look in found.avatars.items()}
        return Copy(avatars, max(0.0, KEPT_S - left_ms / 1000))

    @override
    async def keep(self, edition: int, avatars: Mapping[AvatarName, Look]) -> None:
        kept = msgspec.json.encode(_Kept(edition, {str(name): look for name, look in avatars.items()}))
        with translated():
            keys = self._key("edition"), self._key("catalogue")
            await self.redis.eval(KEEP, 2, *keys, str(edition), kept, str(KEPT_S))

    @override
    async def end_edition(self) -> None:
        with translated():
            await self.redis.incr(self._key("edition"))

    def _key(self, what: str) -> str:
        return f"avatar:{what}:{sha256(self.server.encode()).hexdigest()[:16]}"


def _decoded(kept: bytes) -> _Kept | None:
    """None for what another release has written."""
    try:
        return msgspec.json.decode(kept, type=_Kept)
    except ValueError:
        return None
