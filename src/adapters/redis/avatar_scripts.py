"""Who holds which avatar: `avatar:user_mappings` (what) and `avatar:lease:{user}` (until when) are one lease
where their numbers agree; `rtc:{user}` and `sessionid:{user}` are its viewers' sessions. `avatar:lock:{user}`
holds the number of a start that is under way, `avatar:wanted:{user}` that of one whose outcome nobody knows.
`avatar:calls` has what managers were asked without a certain answer, `avatar:starts` the last start of each
avatar. Each step is one script here."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from adapters.redis.client import translated
from domain.user import UserId

# KEYS of every script: the user's lease, lock, wish, rtc sessions and current rtc session
_USER = """
local LEASE, LOCK, WANTED, RTC, CURRENT = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local MAPPINGS, CALLS, STARTS = 'avatar:user_mappings', 'avatar:calls', 'avatar:starts'
local function digits(number) return string.format('%.0f', number) end
local function read(raw)
  local ok, value = pcall(cjson.decode, raw or '')
  return ok and type(value) == 'table' and value or nil
end
local function mapped(user)
  local mapping = read(redis.call('HGET', MAPPINGS, user))
  local ours = mapping and type(mapping.number) == 'number' and type(mapping.confirmed) == 'number'
  return ours and mapping or nil
end
local function is_as_seen(field, state, since)
  local call = read(redis.call('HGET', CALLS, field))
  return call and call.state == state and math.abs(call.since - tonumber(since)) < 0.001
end
local function is_current(number) return redis.call('GET', LEASE) == number end
local function part(user, state, now)
  local mapping = mapped(user)
  redis.call('HDEL', MAPPINGS, user)
  redis.call('DEL', LEASE, RTC, CURRENT)
  if not mapping or state == '' then return false end
  local call = cjson.encode({user = tonumber(user), manager = mapping.manager, avatar = mapping.avatar_id,
                             state = state, since = tonumber(now)})
  redis.call('HSET', CALLS, digits(mapping.number) .. ':stop', call)
  return {digits(mapping.number), call}
end
local function give(user, number, mapping, life, manager_avatar, start)
  redis.call('HSET', MAPPINGS, user, mapping)
  redis.call('SET', LEASE, number, 'EX', life)
  redis.call('DEL', RTC, CURRENT, WANTED)
  redis.call('HDEL', CALLS, number .. ':start')
  redis.call('HSET', STARTS, manager_avatar, start)
  redis.call('EXPIRE', STARTS, 86400)
end
"""

OF = (
    _USER
    + """
local mapping = mapped(ARGV[1])
return mapping and is_current(digits(mapping.number)) and redis.call('HGET', MAPPINGS, ARGV[1])
"""
)

# ARGV: user, number, seconds, rtc session or ''
RENEW = (
    _USER
    + """
if not is_current(ARGV[2]) or redis.call('HEXISTS', MAPPINGS, ARGV[1]) == 0 then return 0 end
if ARGV[4] ~= '' and redis.call('HEXISTS', RTC, ARGV[4]) == 0 then return 0 end
for _, key in ipairs({LEASE, RTC, CURRENT}) do redis.call('EXPIRE', key, ARGV[3]) end
return 1
"""
)

# ARGV: number, rtc session, where it is, user, the session's own place, most of them. An instance gives a
# number again when its session is over: whoever had it before has it no more, however long ago
CAPTURE = (
    _USER
    + """
if not is_current(ARGV[1]) then return 0 end
local left = redis.call('PTTL', LEASE)
local owner = 'rtc_owner:' .. ARGV[5]
local former = redis.call('GET', owner)
if former and former ~= ARGV[4] then
  redis.call('HDEL', 'rtc:' .. former, ARGV[2])
  if redis.call('GET', 'sessionid:' .. former) == ARGV[2] then redis.call('DEL', 'sessionid:' .. former) end
end
redis.call('SET', owner, ARGV[4], 'EX', 86400)
if redis.call('HLEN', RTC) >= tonumber(ARGV[6]) then
  local current = redis.call('GET', CURRENT)
  for _, rtc in ipairs(redis.call('HKEYS', RTC)) do
    if rtc ~= current then redis.call('HDEL', RTC, rtc) end
  end
end
redis.call('HSET', RTC, ARGV[2], ARGV[3])
redis.call('SET', CURRENT, ARGV[2], 'PX', left)
redis.call('PEXPIRE', RTC, left)
return 1
"""
)

SELECT = (
    _USER
    + """
local left = redis.call('PTTL', LEASE)
if left <= 0 or redis.call('HEXISTS', RTC, ARGV[1]) == 0 then return 0 end
redis.call('SET', CURRENT, ARGV[1], 'PX', left)
return 1
"""
)

CURRENT_RTC = (
    _USER
    + """
local rtc = is_current(ARGV[1]) and redis.call('GET', CURRENT)
return rtc and redis.call('HEXISTS', RTC, rtc) == 1 and rtc
"""
)

FORGET_RTC = (
    _USER
    + """
if not is_current(ARGV[1]) then return end
redis.call('HDEL', RTC, ARGV[2])
if redis.call('GET', CURRENT) == ARGV[2] then redis.call('DEL', CURRENT) end
"""
)

# not from 1 again after a flush: an old number must not look current. cjson writes 14 digits at most
CLAIM = (
    _USER
    + """
if redis.call('EXISTS', LOCK) == 1 then return false end
local t = redis.call('TIME')
local last = tonumber(redis.call('GET', 'avatar:fence') or '0')
local number = digits(math.max(last + 1, t[1] * 10000 + math.floor(t[2] / 100)))
redis.call('SET', 'avatar:fence', number)
redis.call('SET', LOCK, number, 'EX', ARGV[1])
redis.call('DEL', WANTED)
return number
"""
)

LET_GO = _USER + "if redis.call('GET', LOCK) == ARGV[1] then redis.call('DEL', LOCK) end"

# ARGV: user, number, mapping, seconds, manager and avatar, start
HOLD = (
    _USER
    + """
if redis.call('GET', LOCK) ~= ARGV[2] then return 0 end
give(unpack(ARGV))
redis.call('DEL', LOCK)
return 1
"""
)

ADOPT = (
    _USER
    + """
if redis.call('GET', WANTED) ~= ARGV[2] or redis.call('EXISTS', LOCK) == 1 then return 0 end
if redis.call('HEXISTS', MAPPINGS, ARGV[1]) == 1 then return 0 end
if redis.call('HEXISTS', CALLS, ARGV[2] .. ':start') == 0 then return 0 end
give(unpack(ARGV))
return 1
"""
)

# ARGV: number, field, the call as it is to be, state and time as it was seen ('open' for a new one)
BEGIN = (
    _USER
    + """
if ARGV[4] ~= 'open' then
  if not is_as_seen(ARGV[2], ARGV[4], ARGV[5]) then return 0 end
elseif redis.call('HEXISTS', CALLS, ARGV[2]) == 1 then return 0
elseif string.sub(ARGV[2], -6) == ':start' and redis.call('GET', LOCK) ~= ARGV[1] then return 0 end
redis.call('HSET', CALLS, ARGV[2], ARGV[3])
return 1
"""
)

# ARGV: number, field, state and time as it was seen, its new field and the call as it is to be ('' = it is
# over), whether it is wanted, for how long
CHANGE = (
    _USER
    + """
if not is_as_seen(ARGV[2], ARGV[3], ARGV[4]) then return 0 end
redis.call('HDEL', CALLS, ARGV[2])
if ARGV[6] ~= '' then redis.call('HSET', CALLS, ARGV[5], ARGV[6]) end
if ARGV[7] == '1' and redis.call('GET', LOCK) == ARGV[1] then
  redis.call('SET', WANTED, ARGV[1], 'EX', ARGV[8])
end
return 1
"""
)

# ARGV: user, number, state of the stop or '', now
DROP = (
    _USER
    + """
local mapping = mapped(ARGV[1])
return mapping and digits(mapping.number) == ARGV[2] and part(ARGV[1], ARGV[3], ARGV[4])
"""
)

# ARGV: user, state of the stop, now
GIVE_UP = _USER + "redis.call('DEL', LOCK, WANTED) return part(unpack(ARGV))"

# ARGV: user, number, the mapping as it is to be, when that was confirmed, whether it is another launch
CORRECT = (
    _USER
    + """
local mapping = mapped(ARGV[1])
if not mapping or digits(mapping.number) ~= ARGV[2] or mapping.confirmed > tonumber(ARGV[4]) then return 0 end
redis.call('HSET', MAPPINGS, ARGV[1], ARGV[3])
if ARGV[5] == '1' then redis.call('DEL', RTC, CURRENT) end
return 1
"""
)

BOOKS = """
local mappings = redis.call('HGETALL', 'avatar:user_mappings')
local leases = {}
for i = 1, #mappings, 2 do leases[#leases + 1] = redis.call('GET', 'avatar:lease:' .. mappings[i]) or '' end
return {mappings, leases, redis.call('HGETALL', 'avatar:calls'), redis.call('HGETALL', 'avatar:starts')}
"""

STRANGE = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end"


@dataclass(frozen=True, slots=True)
class Scripts:
    redis: Redis

    async def of(self, user: UserId, script: str, *arguments: object) -> Any:
        names = ("avatar:lease", "avatar:lock", "avatar:wanted", "rtc", "sessionid")
        keys = [f"{name}:{user}" for name in names]
        with translated():
            return await self.redis.eval(script, len(keys), *keys, *map(str, arguments))
