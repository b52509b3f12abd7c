from dataclasses import replace

from typing_extensions import override

from application.ports.idempotency import IdempotencyKeys, KeptAsk
from domain.errors import StorageUnavailable
from domain.user import UserId


class FakeIdempotencyKeys(IdempotencyKeys):
    """`down`: nobody reaches it. Nothing here grows old."""

    def __init__(self) -> None:
        self.down = False
        self.kept: dict[tuple[UserId, str], KeptAsk] = {}

    @override
    async def claim(self, user: UserId, key: str, fingerprint: str) -> KeptAsk | None:
        self._reachable()
        earlier = self.kept.get((user, key))
        if earlier is None:
            self.kept[user, key] = KeptAsk(fingerprint)
        return earlier

    @override
    async def reclaim(self, user: UserId, key: str, was: KeptAsk) -> bool:
        self._reachable()
        if self.kept.get((user, key)) != was:
            return False
        self.kept[user, key] = replace(was, answer=None)
        return True

    @override
    async def keep(self, user: UserId, key: str, asked: KeptAsk) -> None:
        self._reachable()
        self.kept[user, key] = asked

    @override
    async def let_go(self, user: UserId, key: str) -> None:
        self._reachable()
        self.kept.pop((user, key), None)

    def _reachable(self) -> None:
        if self.down:
            raise StorageUnavailable
