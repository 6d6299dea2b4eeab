-- Lets a user do something at most so often in any window of time that ends now.
--
-- KEYS   1 the user's requests
-- ARGV   1 operation id  2 window, ms  3 limit
--
-- Replies, all of strings
--   allowed, used, limit           used: requests let through in the window, this one among them
--   limited, used, retry_after_ms  a request after this time is let through, unless others come before it
-- An operation that was let through is let through again while the window has it, and is not counted twice. One that was refused is
-- refused again until the time that it was told: nothing leaves the window sooner. After it, the same operation is as good as new.
--
-- Invariants
--   The key has what was let through in the window: operation ids, their scores the times in ms. What is refused leaves no trace, so
--   that a flood takes no memory. The key goes when nothing of it is in the window any more.

local call = redis.call
local requests = KEYS[1]

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

local id, window, limit = ARGV[1], whole(ARGV[2]), whole(ARGV[3])
if not window or not limit then
  return redis.error_reply('ERR rate_limit: operation, window > 0, limit > 0')
end

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- end of shared

local now = now_ms()
call('ZREMRANGEBYSCORE', requests, '-inf', now - window)
local used = call('ZCARD', requests)
if call('ZSCORE', requests, id) then
  return {'allowed', digits(used), digits(limit)}
end
if used >= limit then
  -- With a limit that is lower than it was, more than one has to leave.
  local leaves = call('ZRANGE', requests, used - limit, used - limit, 'WITHSCORES')
  return {'limited', digits(used), digits(leaves[2] + window - now)}
end
call('ZADD', requests, now, id)
call('PEXPIRE', requests, window)
return {'allowed', digits(used + 1), digits(limit)}
