"""What Redis keeps under a user's number or address and no other port speaks of."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, cast

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from adapters.redis.mail import MAILBOX
from application.ports.personal_data import Departed, PersonalStore

BY_NUMBER = ("sessionid", "rtc", "avatar:lease", "avatar:lock", "avatar:wanted", "avatar:floor")
MAPPINGS = "avatar:user_mappings"


@dataclass(frozen=True, slots=True)
class RedisTraces(PersonalStore):
    """Idempotency keys, streaming ids, the avatar's lease and mapping, and mails in the development mailbox.
    Tickets and code mails on their way name him too: they are sealed or hashed and gone after minutes."""

    name: ClassVar[str] = "redis"
    redis: Redis

    @override
    async def erase(self, departed: Departed) -> int:
        with translated():
            keys = [f"{kind}:{departed.id}" for kind in BY_NUMBER]
            keys += [key async for key in self.redis.scan_iter(f"idem:{departed.id}:*", count=1000)]
            erased = int(await self.redis.unlink(*keys))
            erased += int(await self.redis.hdel(MAPPINGS, str(departed.id)))
            return erased + await self._empty_mailbox(departed)

    async def _empty_mailbox(self, departed: Departed) -> int:
        """Of what was mailed to him, and of what names him to others; what came later is for somebody new, or
        about him."""
        erased, mails = 0, cast("list[str]", await self.redis.lrange(MAILBOX, 0, -1))
        for mail in mails:
            to, _, text, created_at, *_ = json.loads(mail)
            about_him = departed.email in (to, *text.split())
            if about_him and datetime.fromisoformat(created_at) <= departed.deleted_at:
                erased += int(await self.redis.lrem(MAILBOX, 1, mail))
        return erased
