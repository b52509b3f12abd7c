"""`ticket:{hash}`: what a ticket opens. The secret itself is nowhere."""

import hashlib
import secrets
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.tickets import TICKET_LIFE_S, Ticket, Tickets


def _key(secret: str) -> str:
    return f"ticket:{hashlib.sha256(secret.encode(errors='replace')).hexdigest()}"


@dataclass(frozen=True, slots=True)
class RedisTickets(Tickets):
    redis: Redis

    @override
    async def issue(self, ticket: Ticket) -> str:
        secret = secrets.token_urlsafe(32)
        with translated():
            await self.redis.set(_key(secret), msgspec.json.encode(ticket), ex=TICKET_LIFE_S)
        return secret

    @override
    async def find(self, secret: str) -> Ticket | None:
        with translated():
            found = await self.redis.get(_key(secret))
        return msgspec.json.decode(found, type=Ticket) if found else None
