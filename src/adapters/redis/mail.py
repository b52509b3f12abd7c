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

QUEUE, LIFE = "mail:queue", timedelta(seconds=300)
MAILBOX, MAILBOX_SIZE, MAILBOX_LIFE_S = "dev:mailbox", 100, 86400
WAIT_S = 2.0


def _packed(mail: Mail, deliver: bool) -> bytes:
    fields = [mail.to, mail.subject, mail.text, mail.created_at.isoformat(), deliver]
    return json.dumps(fields).encode()


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
            popped = await self.redis.brpop([QUEUE], timeout=WAIT_S)
        if popped is None:
            return None
        try:
            to, subject, text, created_at, deliver = json.loads(self.cipher.decrypt(popped[1]))
        except (InvalidToken, ValueError):
            return None  # sealed under another SECRET_KEY: nobody can read it any more
        mail = Mail(to, subject, text, datetime.fromisoformat(created_at))
        stale = self.clock.now() - mail.created_at > LIFE
        return mail if deliver and not stale else None


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
        mails = []
        for entry in kept:
            to, subject, text, created_at, _ = json.loads(entry)
            mails.append(Mail(to, subject, text, datetime.fromisoformat(created_at)))
        return mails
