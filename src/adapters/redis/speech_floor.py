"""Which reply is spoken for a user (`avatar:floor:{user}`)."""

import json
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.speech_floor import SpeechFloor
from domain.conversation import MessageId, SessionId
from domain.speech import Delivery, Given
from domain.user import UserId

LIFE_S = 3600  # nobody speaks longer without a word in between

# the message's number comes first, so that a script need not understand the rest
KEEP = """
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^(%d+) ') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'EX', ARGV[3])
return 1
"""
CLEAR = """
local held = redis.call('GET', KEYS[1])
if not held then return false end
local session = cjson.decode(string.match(held, '^%d+ (.*)$')).session
if ARGV[1] ~= '' and string.format('%.0f', session) ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
return held
"""


@dataclass(frozen=True, slots=True)
class RedisSpeechFloor(SpeechFloor):
    redis: Redis

    @override
    async def take(self, user: UserId, speech: Delivery) -> Delivery | None:
        packed = f"{speech.message} {_packed(speech)}"
        with translated():
            held = await self.redis.set(_key(user), packed, ex=LIFE_S, get=True)
        return _unpacked(cast(bytes | None, held))

    @override
    async def keep(self, user: UserId, speech: Delivery) -> bool:
        with translated():
            kept = await self.redis.eval(KEEP, 1, _key(user), str(speech.message), _packed(speech), LIFE_S)
        return bool(kept)

    @override
    async def clear(self, user: UserId, session: SessionId | None = None) -> Delivery | None:
        with translated():
            held = await self.redis.eval(CLEAR, 1, _key(user), "" if session is None else str(session))
        return _unpacked(held)


def _key(user: UserId) -> str:
    return f"avatar:floor:{user}"


def _packed(speech: Delivery) -> str:
    given = [[one.upto, round(one.ends_at, 3)] for one in speech.given]
    fields = {"session": speech.session, "given": given, "sending_until": round(speech.sending_until, 3)}
    return json.dumps(fields, separators=(",", ":"))


def _unpacked(held: bytes | None) -> Delivery | None:
    if not held:
        return None
    message, _, packed = held.decode().partition(" ")
    fields = json.loads(packed)
    return Delivery(
        session=SessionId(fields["session"]),
        message=MessageId(int(message)),
        given=tuple(Given(upto, ends_at) for upto, ends_at in fields["given"]),
        sending_until=fields["sending_until"],
    )
