"""Who answers where (`chat:run:{session}`), and copies of running replies (`chat:events:{message}`)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.replies import Batch, ReplyLogs, Run, Runs, SessionBusy
from domain.conversation import MessageId, SessionId

RUN_LIFE_S = 3600
UNBOUND_LIFE_S = 30  # a claim whose answer was lost on the way blocks its session no longer than this
EVENTS_LIFE_S, EVENTS_LIFE_AFTER_END_S = 3600, 600

CLAIM = """
local held = redis.call('GET', KEYS[1])
if held then
  local run = cjson.decode(held)
  if redis.call('EXISTS', 'worker:' .. run.worker) == 1 then return {0, held} end
end
-- not from 1 again after a flush: an old run must not look like a new one. cjson writes 14 digits at most
local t = redis.call('TIME')
local last = tonumber(redis.call('GET', 'chat:fence') or '0')
local fence = math.max(last + 1, t[1] * 10000 + math.floor(t[2] / 100))
redis.call('SET', 'chat:fence', string.format('%.0f', fence))
redis.call('SET', KEYS[1], cjson.encode({worker = ARGV[1], fence = fence}), 'EX', ARGV[2])
return {fence, held or ''}
"""

# both apply only while the fence is ours
BIND = """
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).fence ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
RELEASE = """
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).fence == tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
"""
# a flushed Redis has forgotten us: we say again that the session is ours
HOLDS = """
local held = redis.call('GET', KEYS[1])
if not held then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1 end
if cjson.decode(held).fence ~= tonumber(ARGV[1]) then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


def _key(session: SessionId) -> str:
    return f"chat:run:{session}"


def _packed(run: Run) -> str:
    fields = {"worker": run.worker, "fence": run.fence, "message": run.message}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def _run(session: SessionId, packed: bytes | str) -> Run:
    fields = json.loads(packed)
    return Run(session, fields["worker"], int(fields["fence"]), fields.get("message"))


@dataclass(frozen=True, slots=True)
class RedisRuns(Runs):
    redis: Redis
    worker: str

    @override
    async def claim(self, session: SessionId) -> tuple[Run, Run | None]:
        with translated():
            fence, held = await self.redis.eval(CLAIM, 1, _key(session), self.worker, UNBOUND_LIFE_S)
        if not fence:
            raise SessionBusy(_run(session, held))
        return Run(session, self.worker, fence), _run(session, held) if held else None

    @override
    async def bind(self, run: Run, message: MessageId) -> Run:
        bound = replace(run, message=message)
        with translated():
            await self.redis.eval(BIND, 1, _key(run.session), run.fence, _packed(bound), RUN_LIFE_S)
        return bound

    @override
    async def holds(self, run: Run) -> bool:
        with translated():
            return bool(
                await self.redis.eval(HOLDS, 1, _key(run.session), run.fence, _packed(run), RUN_LIFE_S)
            )

    @override
    async def release(self, run: Run) -> None:
        with translated():
            await self.redis.eval(RELEASE, 1, _key(run.session), run.fence)

    @override
    async def of(self, session: SessionId) -> tuple[Run, bool] | None:
        with translated():
            held = await self.redis.get(_key(session))
            if held is None:
                return None
            run = _run(session, held)
            alive = bool(await self.redis.exists(f"worker:{run.worker}"))
            return run, alive


@dataclass(frozen=True, slots=True)
class RedisReplyLogs(ReplyLogs):
    redis: Redis

    @override
    async def append(self, batches: Sequence[Batch]) -> None:
        with translated():
            async with self.redis.pipeline(transaction=False) as pipe:
                for batch in batches:
                    key = f"chat:events:{batch.message}"
                    _ = pipe.xadd(key, {"n": batch.first, "e": b"\n".join(batch.events)})
                    _ = pipe.expire(key, EVENTS_LIFE_S, nx=True)
                await pipe.execute()

    @override
    async def read(self, message: MessageId, after: int = 0) -> Sequence[bytes]:
        with translated():
            entries: Any = await self.redis.xrange(f"chat:events:{message}")
        events: list[bytes] = []
        seen = after
        for _, fields in entries:
            for n, event in enumerate(fields[b"e"].split(b"\n"), int(fields[b"n"])):
                if n > seen:
                    events.append(event)
                    seen = n
        return events

    @override
    async def expire(self, message: MessageId) -> None:
        with translated():
            await self.redis.expire(f"chat:events:{message}", EVENTS_LIFE_AFTER_END_S)

    @override
    async def forget(self, messages: Sequence[MessageId]) -> int:
        if not messages:
            return 0
        with translated():
            return int(await self.redis.unlink(*(f"chat:events:{message}" for message in messages)))
