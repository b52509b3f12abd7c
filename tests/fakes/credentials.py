import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from typing_extensions import override

from adapters.jwt.tokens import JwtTokens
from application.accounts.token_life import TokenLife
from application.ports.credentials import PasswordHasher

NOBODY = "-"


@dataclass(eq=False)
class FakePasswordHasher(PasswordHasher):
    """Hashes in no time. `strength` is today's: hashes of another one are outdated."""

    strength: int = 2
    verified: list[str] = field(default_factory=list)  # the hash of each verification, or NOBODY
    hashed: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # some work has begun
    busy: asyncio.Event | None = None  # it lasts until this is set

    @override
    async def hash(self, password: str) -> str:
        self.hashed += 1
        await self._at_work()
        return f"{self.strength}${self.hashed}${password}"

    @override
    async def verify(self, password: str, hash: str | None) -> bool:
        self.verified.append(hash or NOBODY)
        await self._at_work()
        return hash is not None and hash.partition("$")[2].partition("$")[2] == password

    @override
    def outdated(self, hash: str) -> bool:
        return hash.partition("$")[0] != str(self.strength)

    async def _at_work(self) -> None:
        self.asked.set()
        if self.busy is not None:
            await self.busy.wait()


LIFE = TokenLife(timedelta(hours=5), timedelta(days=7))


def some_tokens(key: str = "k" * 32) -> JwtTokens:
    """The real ones: they are pure."""
    return JwtTokens(key)
