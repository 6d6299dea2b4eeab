-- Says how far behind whoever drains an event's stream is. Changes nothing.
--
-- KEYS   1 stream  2 the stream of dead letters
-- ARGV   1 the last entry that was applied, or 0-0  2 count no further than this
--
-- Replies, all of strings
--   lag, entries, waiting, oldest, now_ms, dead
--     entries: how many the stream has   waiting: how many are behind the last applied one, or the limit
--     oldest: the first of them, or nothing ("")   dead: letters

local call = redis.call
local stream, dead, last, most = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
if not most then
  return redis.error_reply('ERR lag: last, most')
end

-- shared: digits
-- A number as a reply has it: Lua's own tostring makes 1e+12 of a million million. Arguments of commands need no such care.
local function digits(number)
  return string.format('%.0f', number)
end
-- end of shared

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- end of shared

local waiting = call('XRANGE', stream, '(' .. last, '+', 'COUNT', most)
return {
  'lag', digits(call('XLEN', stream)), digits(#waiting), waiting[1] and waiting[1][1] or '', digits(now_ms()),
  digits(call('XLEN', dead)),
}
