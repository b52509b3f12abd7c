"""A user's lease and its viewers' sessions (`avatar_scripts.py` says in which keys)."""

import json
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.avatar_records import lease_from
from adapters.redis.avatar_scripts import CAPTURE, CURRENT_RTC, FORGET_RTC, OF, RENEW, SELECT, Scripts
from application.ports.avatar_leases import (
    LINES_MAX,
    AvatarLeases,
)
from domain.avatar import Lease, RtcSession
from domain.user import UserId


@dataclass(frozen=True, slots=True)
class RedisAvatarLeases(AvatarLeases):
    redis: Redis
    idle_s: int

    @override
    async def of(self, user: UserId) -> Lease | None:
        found = await self._run(user, OF, user)
        return lease_from(user, found) if found else None

    @override
    async def renew(self, lease: Lease, rtc: RtcSession | None = None) -> bool:
        session = "" if rtc is None else rtc
        return bool(await self._run(lease.user, RENEW, lease.user, lease.number, self.idle_s, session))

    @override
    async def capture(self, lease: Lease, rtc: RtcSession) -> bool:
        where = {"instance": lease.instance_id, "port": lease.instance.port, "time": lease.confirmed_at}
        place = f"{lease.instance.host}:{lease.instance.port}:{rtc}"
        told = (lease.number, rtc, json.dumps(where), lease.user, place, LINES_MAX)
        return bool(await self._run(lease.user, CAPTURE, *told))

    @override
    async def select(self, user: UserId, rtc: RtcSession) -> bool:
        return bool(await self._run(user, SELECT, rtc))

    @override
    async def current_rtc(self, lease: Lease) -> RtcSession | None:
        found = await self._run(lease.user, CURRENT_RTC, lease.number)
        return RtcSession(int(found)) if found else None

    @override
    async def forget_rtc(self, lease: Lease, rtc: RtcSession) -> None:
        await self._run(lease.user, FORGET_RTC, lease.number, rtc)

    async def _run(self, user: UserId, script: str, *arguments: object) -> Any:
        return await Scripts(self.redis).of(user, script, *arguments)
