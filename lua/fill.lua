-- Puts a value into a cache, unless something newer is there.
--
-- KEYS   1 cache
-- ARGV   1 version of the value  2 ttl, ms  3 how long it took to make the value, ms  4 the value; nothing ("") to leave only the version
--
-- Replies, all of strings
--   filled, now_ms                 the server's time in ms since 1970
--   newer, version, now_ms         a newer one is there; nothing is changed
--
-- Invariants
--   What is stored is version:expires_ms:took_ms:value, or version: alone where nothing older than the version may come in any more.
--   The version of a cache never goes down while it is there.

local call = redis.call
local cache = KEYS[1]

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

local version, ttl, took, value = tonumber(ARGV[1]), whole(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if not (version and version >= 0 and ttl and took and value) then
  return redis.error_reply('ERR fill: version >= 0, ttl > 0, took, value')
end

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- end of shared

local now = now_ms()
local cached = call('GET', cache)
if cached then
  local newest = string.match(cached, '^(%d+):')
  if newest and (tonumber(newest) > version or value == '' and tonumber(newest) == version) then
    return {'newer', newest, digits(now)}
  end
end
local text = ARGV[1] .. ':'
if value ~= '' then
  text = text .. digits(now + ttl) .. ':' .. ARGV[3] .. ':' .. value
end
call('SET', cache, text, 'PX', ttl)
return {'filled', digits(now)}
