"""The queue of code mails, encrypted, and the development mailbox."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken
from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.clock import Clock
from application.ports.mail import Mail, Mailbox, Mailer, Outbox

QUEUE, LATER, LIFE = "mail:queue", "mail:later", timedelta(seconds=300)
MAILBOX, MAILBOX_SIZE, MAILBOX_LIFE_S = "dev:mailbox", 100, 86400
WAIT_S = 2.0

# what was put back waits in a set of its own, ordered by the server's clock; then it is the next to be taken
PUT_BACK = """
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] * 1000 + t[2] / 1000 + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""
FETCH_DUE = """
local t = redis.call('TIME')
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + t[2] / 1000, 'LIMIT', 0, 100)
for _, mail in ipairs(due) do
  redis.call('RPUSH', KEYS[2], mail)
  redis.call('ZREM', KEYS[1], mail)
end
if #due > 0 then redis.call('EXPIRE', KEYS[2], ARGV[1]) end
"""


def _packed(mail: Mail, deliver: bool) -> bytes:
    fields = [mail.to, mail.subject, mail.text, mail.created_at.isoformat(), deliver, mail.html]
    return json.dumps(fields).encode()


def _unpacked(packed: bytes | str) -> tuple[Mail, bool]:
    to, subject, text, created_at, deliver, *html = json.loads(packed)  # before there was HTML it was missing
    return Mail(to, subject, text, datetime.fromisoformat(created_at), *html), deliver


@dataclass(frozen=True, slots=True)
class RedisOutbox(Outbox):
    """`redis` must allow answers that take longer than WAIT_S."""

    redis: Redis
    cipher: Fernet
    clock: Clock

    @override
    async def post(self, mail: Mail, *, deliver: bool = True) -> None:
        sealed = self.cipher.encrypt(_packed(mail, deliver))
        with translated():
            async with self.redis.pipeline(transaction=True) as pipe:
                _ = pipe.lpush(QUEUE, sealed), pipe.expire(QUEUE, int(LIFE.total_seconds()))
                await pipe.execute()

    @override
    async def take(self) -> Mail | None:
        with translated():
            await self.redis.eval(FETCH_DUE, 2, LATER, QUEUE, int(LIFE.total_seconds()))
            popped = await self.redis.brpop([QUEUE], timeout=WAIT_S)
        if popped is None:
            return None
        try:
            mail, deliver = _unpacked(self.cipher.decrypt(popped[1]))
        except (InvalidToken, ValueError):
            return None  # sealed under another SECRET_KEY: nobody can read it any more
        stale = self.clock.now() - mail.created_at > LIFE
        return mail if deliver and not stale else None

    @override
    async def put_back(self, mail: Mail, wait: timedelta) -> None:
        sealed, ms = self.cipher.encrypt(_packed(mail, True)), int(wait.total_seconds() * 1000)
        with translated():
            await self.redis.eval(PUT_BACK, 1, LATER, sealed, ms, int(LIFE.total_seconds()))


@dataclass(frozen=True, slots=True)
class RedisMailbox(Mailer, Mailbox):
    """Keeps mails where the developer can read them instead of sending them."""

    redis: Redis

    @override
    async def deliver(self, mail: Mail) -> None:
        with translated():
            async with self.redis.pipeline(transaction=True) as pipe:
                _ = pipe.lpush(MAILBOX, _packed(mail, True)), pipe.ltrim(MAILBOX, 0, MAILBOX_SIZE - 1)
                _ = pipe.expire(MAILBOX, MAILBOX_LIFE_S)
                await pipe.execute()

    @override
    async def recent(self) -> list[Mail]:
        with translated():
            kept = await self.redis.lrange(MAILBOX, 0, -1)
        return [_unpacked(entry)[0] for entry in kept]
