"""Who answers where (`chat:run:{session}`), and copies of running replies (`chat:events:{message}`)."""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from typing_extensions import override

from adapters.redis.client import translated
from application.ports.replies import Batch, ReplyLogs, Run, Runs, SessionBusy
from domain.conversation import MessageId, SessionId

RUN_LIFE_S = 3600
UNBOUND_LIFE_S = 30  # a claim whose answer was lost on the way blocks its session no longer than this
EVENTS_LIFE_S, EVENTS_LIFE_AFTER_END_S = 3600, 600
END = 2**63 - 1  # beyond every number of an event
SEPARATOR = b"\0"  # frames are ASCII without control characters but for their line ends

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
# what each key holds, and whether that worker is alive
OF = """
local found = {}
for _, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  found[#found + 1] = held or ''
  found[#found + 1] = held and redis.call('EXISTS', 'worker:' .. cjson.decode(held).worker) or 0
end
return found
"""
# a flushed Redis has forgotten us: we say again that the session is ours. Arguments: fence and run, in pairs
LOST = """
local lost = {}
for i, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if held and cjson.decode(held).fence ~= tonumber(ARGV[2 * i]) then
    lost[#lost + 1] = i
  elseif held then
    redis.call('EXPIRE', key, ARGV[1])
  else
    redis.call('SET', key, ARGV[2 * i + 1], 'EX', ARGV[1])
  end
end
return lost
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
            ours = await self.redis.eval(BIND, 1, _key(run.session), run.fence, _packed(bound), RUN_LIFE_S)
        if not ours:
            raise SessionBusy(run)
        return bound

    @override
    async def lost(self, runs: Sequence[Run]) -> Sequence[Run]:
        if not runs:
            return []
        keys = [_key(run.session) for run in runs]
        told = [word for run in runs for word in (run.fence, _packed(run))]
        with translated():
            lost = await self.redis.eval(LOST, len(keys), *keys, RUN_LIFE_S, *told)
        return [runs[i - 1] for i in lost]

    @override
    async def release(self, run: Run) -> None:
        with translated():
            await self.redis.eval(RELEASE, 1, _key(run.session), run.fence)

    @override
    async def of(self, session: SessionId) -> tuple[Run, bool] | None:
        return (await self.of_all([session])).get(session)

    @override
    async def of_all(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, tuple[Run, bool]]:
        if not sessions:
            return {}
        with translated():
            held = await self.redis.eval(OF, len(sessions), *map(_key, sessions))
        return {
            session: (_run(session, run), bool(alive))
            for session, run, alive in zip(sessions, held[::2], held[1::2], strict=True)
            if run
        }


@dataclass(frozen=True, slots=True)
class RedisReplyLogs(ReplyLogs):
    """An entry of a stream holds the frames of one batch; its id is the number of the last one, so that a
    place in the reply is a place in the stream. The entry that ends a reply has the greatest id of all:
    behind it Redis takes no other. Frames resemble each other: compressed they take a fifth."""

    redis: Redis

    @override
    async def append(self, batches: Sequence[Batch]) -> Collection[MessageId]:
        with translated():
            async with self.redis.pipeline(transaction=False) as pipe:
                for batch in batches:
                    _add(pipe, batch)
                results = await pipe.execute(raise_on_error=False)
            added = iter(results)
            gone = set()
            for batch in batches:
                if not _is_there(next(added)):
                    gone.add(batch.message)
                if batch.first == 1:
                    next(added)  # of its expiry
            return gone

    @override
    async def read(self, message: MessageId, after: int = 0) -> Sequence[bytes]:
        return (await self.news({message: after})).get(message, [])

    @override
    async def news(self, seen: Mapping[MessageId, int]) -> Mapping[MessageId, Sequence[bytes]]:
        if not seen:
            return {}
        with translated():
            async with self.redis.pipeline(transaction=False) as pipe:
                for message, after in seen.items():
                    _ = pipe.xrange(_events(message), min=f"({after}" if after else "-")
                found = await pipe.execute()
        return {
            message: fresh
            for (message, after), entries in zip(seen.items(), found, strict=True)
            if (fresh := _frames(entries, after))
        }

    @override
    async def expire(self, message: MessageId) -> None:
        with translated():
            await self.redis.expire(_events(message), EVENTS_LIFE_AFTER_END_S)

    @override
    async def tell_end(self, message: MessageId, n: int) -> None:
        with translated():
            async with self.redis.pipeline() as pipe:
                _ = pipe.sadd(_ends(message), n)
                _ = pipe.expire(_ends(message), EVENTS_LIFE_AFTER_END_S)
                await pipe.execute()

    @override
    async def end_was_told(self, message: MessageId, n: int) -> bool:
        with translated():
            return bool(await self.redis.sismember(_ends(message), str(n)))

    @override
    async def forget(self, messages: Sequence[MessageId]) -> int:
        if not messages:
            return 0
        with translated():
            await self.redis.unlink(*map(_ends, messages))
            return int(await self.redis.unlink(*map(_events, messages)))


def _events(message: MessageId) -> str:
    return f"chat:events:{message}"


def _ends(message: MessageId) -> str:
    return f"chat:ends:{message}"


def _add(pipe: Any, batch: Batch) -> None:
    key, begins = _events(batch.message), batch.first == 1
    fields = {"n": batch.first, "e": zlib.compress(SEPARATOR.join(batch.frames), 1)}
    pipe.xadd(key, fields, id=f"{END if batch.ends else batch.last}-0", nomkstream=not begins)
    if begins:
        pipe.expire(key, EVENTS_LIFE_S, nx=True)


def _is_there(added: Any) -> bool:
    """Whether the stream has the entry now; it may have had it before."""
    if isinstance(added, ResponseError) and "equal or smaller" in str(added):
        return True
    if isinstance(added, Exception):
        raise added
    return added is not None


def _frames(entries: Any, after: int) -> list[bytes]:
    fresh: list[bytes] = []
    seen = after
    for _, fields in entries:
        for n, frame in enumerate(zlib.decompress(fields[b"e"]).split(SEPARATOR), int(fields[b"n"])):
            if n > seen + 1:
                return fresh
            if n == seen + 1:
                fresh.append(frame)
                seen = n
    return fresh
