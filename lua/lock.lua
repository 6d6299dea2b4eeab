-- Takes a lock for a time, or extends it for the owner who has it.
--
-- KEYS   1 lock  2 the lock's token counter; both with one hash tag
-- ARGV   1 owner  2 ttl, ms
--
-- Replies, all of strings
--   locked, token, expires_ms      the owner again: from now on, with the token that it has
--   busy, remaining_ms             somebody else has it, for so long at most
--
-- Invariants
--   One owner at a time, by the server's clock. The token grows with every new owner, and the counter outlives the lock: what is
--   guarded refuses a token below the highest that it has seen, since an owner may not have noticed that its time is over.

local call = redis.call
local lock, counter = KEYS[1], KEYS[2]

-- shared: numbers
-- A whole number from 1 to 1e12, or nothing. More than that is refused, before a command could fail halfway.
local function whole(argument)
  local number = tonumber(argument)
  if number and number >= 1 and number <= 1e12 and number % 1 == 0 then
    return number
  end
end
-- end of shared

-- shared: digits
-- A number as a reply has it: Lua's own tostring makes 1e+12 of a million million. Arguments of commands need no such care.
local function digits(number)
  return string.format('%.0f', number)
end
-- end of shared

local owner, ttl = ARGV[1], whole(ARGV[2])
if not ttl then
  return redis.error_reply('ERR lock: owner, ttl > 0')
end

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- end of shared

local has = call('HMGET', lock, 'owner', 'token')
local token = has[2]
if has[1] and has[1] ~= owner then
  return {'busy', digits(math.max(call('PTTL', lock), 1))}
elseif not has[1] then
  token = digits(call('INCR', counter))
  call('HSET', lock, 'owner', owner, 'token', token)
end
call('PEXPIRE', lock, ttl)
return {'locked', token, digits(now_ms() + ttl)}
