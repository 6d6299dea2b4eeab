-- Mends what an event has in Redis: all that is asked, if nothing of it has changed since it was looked at, or nothing.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 cache; all of one event, so of one slot
-- ARGV   for each thing: which key (its number)  the field or member, nothing ("") for the cache
--        what is there, = and the value, or - for nothing   what is to be there, in the same way
--        The scores of free and holds are compared as numbers.
--
-- Replies, all of strings
--   mended, how many
--   changed, key, field            the first thing that is not as it was; nothing is changed
--
-- Invariants
--   Whoever asks keeps those of the other scripts: what he asks for is that they hold again.

local call = redis.call
if #ARGV % 4 ~= 0 then
  return redis.error_reply('ERR mend: (key, field, is, shall)…')
end

-- shared: digits
-- A number as a reply has it: Lua's own tostring makes 1e+12 of a million million. Arguments of commands need no such care.
local function digits(number)
  return string.format('%.0f', number)
end
-- end of shared

local function value(argument)
  if argument ~= '-' then
    return string.sub(argument, 2)
  end
end

local function is_set(number)
  return number == 3 or number == 4
end

for i = 1, #ARGV, 4 do
  local number, field, is = tonumber(ARGV[i]), ARGV[i + 1], value(ARGV[i + 2])
  local key, found = KEYS[number], nil
  if is_set(number) then
    found = call('ZSCORE', key, field)
    if found and is and tonumber(found) == tonumber(is) then
      found = is
    end
  elseif number == 6 then
    found = call('GET', key)
  else
    found = call('HGET', key, field)
  end
  if (found or nil) ~= is then
    return {'changed', ARGV[i], field}
  end
end

for i = 1, #ARGV, 4 do
  local number, field, shall = tonumber(ARGV[i]), ARGV[i + 1], value(ARGV[i + 3])
  local key = KEYS[number]
  if is_set(number) then
    if shall then
      call('ZADD', key, shall, field)
    else
      call('ZREM', key, field)
    end
  elseif number == 6 then
    call('DEL', key)
  elseif shall then
    call('HSET', key, field, shall)
  else
    call('HDEL', key, field)
  end
end
return {'mended', digits(#ARGV / 4)}
