import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from adapters.s3.errors import translated

ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of an open client. Every answer comes within `answer_s`, second tries included, or counts
    as none. Raises BlobNotFound, BlobStoreUnavailable."""

    client: Any
    name: str
    answer_s: float = ANSWER_S

    async def ask(self, operation: str, **what: object) -> Any:
        """The answer to one of the client's operations on the bucket."""
        with translated():
            async with asyncio.timeout(self.answer_s):
                return await getattr(self.client, operation)(Bucket=self.name, **what)

    async def read(self, body: Any, size: int) -> bytes:
        """Some more of an answer's body, at most `size` bytes; none at its end."""
        with translated():
            async with asyncio.timeout(self.answer_s):
                piece: bytes = await body.read(size)
                return piece

    async def listed(
        self, operation: str, what: str, after: dict[str, str], **of: object
    ) -> AsyncGenerator[Any]:
        """All of a list that comes in portions: the entries under `what`. `after`: where the next portion
        begins, as the answer names it and as the question does."""
        begin: dict[str, object] = {}
        while True:
            portion = await self.ask(operation, **of, **begin)
            for entry in portion.get(what, ()):
                yield entry
            if not portion.get("IsTruncated"):
                return
            begin = {asked: portion[told] for told, asked in after.items()}
