"""Which reply is spoken for a user (`avatar:floor:{user}`)."""

from dataclasses import dataclass
from typing import cast

import msgspec
from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.speech_floor import SpeechFloor
from domain.conversation import SessionId
from domain.speech import Delivery
from domain.user import UserId

LIFE_S = 3600  # nobody speaks longer without a word in between
CLEARED_LIFE_S = 30  # longer than any segment is on its way

# the message's number comes first and the session's second, so that no script need understand the rest;
# what is cleared stays for a moment under the number 0
KEEP = """
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^(%d+) ') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
CLEAR = """
local held = redis.call('GET', KEYS[1])
if not held then return false end
local message, session, rest = string.match(held, '^(%d+) (%d+) (.*)$')
if message == '0' or (ARGV[1] ~= '' and session ~= ARGV[1]) then return false end
redis.call('SET', KEYS[1], '0 ' .. session .. ' ' .. rest, 'EX', ARGV[2])
return held
"""
LEAVE = """
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^(%d+) ') == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


@dataclass(frozen=True, slots=True)
class RedisSpeechFloor(SpeechFloor):
    redis: Redis

    @override
    async def take(self, user: UserId, delivery: Delivery) -> Delivery | None:
        with translated():
            held = await self.redis.set(_key(user), _packed(delivery), ex=LIFE_S, get=True)
        return _unpacked(cast(bytes | None, held))

    @override
    async def keep(self, user: UserId, delivery: Delivery) -> bool:
        message = str(delivery.message)
        with translated():
            return bool(await self.redis.eval(KEEP, 1, _key(user), message, _packed(delivery), LIFE_S))

    @override
    async def clear(self, user: UserId, session: SessionId | None = None) -> Delivery | None:
        wanted = "" if session is None else str(session)
        with translated():
            held = await self.redis.eval(CLEAR, 1, _key(user), wanted, CLEARED_LIFE_S)
        return _unpacked(held)

    @override
    async def leave(self, user: UserId, delivery: Delivery) -> None:
        with translated():
            await self.redis.eval(LEAVE, 1, _key(user), str(delivery.message))


def _key(user: UserId) -> str:
    return f"avatar:floor:{user}"


def _packed(delivery: Delivery) -> bytes:
    return b"%d %d %b" % (delivery.message, delivery.session, msgspec.json.encode(delivery))


def _unpacked(held: bytes | None) -> Delivery | None:
    return msgspec.json.decode(held.split(b" ", 2)[2], type=Delivery) if held else None
