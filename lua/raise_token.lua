-- Makes the next hold of an event newer than anything that was done under this token: a failover may have lost what the counter had.
--
-- KEYS   1 meta
-- ARGV   1 token
--
-- Replies, all of strings
--   token, now                     what the counter is now: not less than before, and not less than the given one
--   no_event

local call = redis.call
local meta = KEYS[1]

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

local token = whole(ARGV[1])
if not token then
  return redis.error_reply('ERR raise_token: token > 0')
end
local current = call('HGET', meta, 'token')
if not current then
  return {'no_event'}
end
current = tonumber(current)
if current < token then
  call('HSET', meta, 'token', ARGV[1])
  current = token
end
return {'token', digits(current)}
