-- Puts an event into its place that was built beside it, all at once.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 stream  7 cache  8 new seats  9 new free  10 new reservations; all of one event, so
--        of one slot
-- ARGV   1 name  2 seats  3 created_ms  4 token  5 sold  6 over, to replace what is there, or nothing ("")
--
-- Replies, all of strings
--   installed
--   exists                         the event is there; nothing is changed, and what was built is gone
--
-- Invariants
--   What was built has every seat in exactly one of new seats and new free, and no holds: those that were there are gone.
--   A stream begins with the making of the event; one that is there stays, since it may have what nobody has applied yet.

local call = redis.call
local meta, seats, free, holds, reservations = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local stream, cache = KEYS[6], KEYS[7]
if #ARGV ~= 6 then
  return redis.error_reply('ERR install: name, seats, created_ms, token, sold, over or nothing')
end

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- end of shared

if call('EXISTS', meta) == 1 and ARGV[6] ~= 'over' then
  call('DEL', KEYS[8], KEYS[9], KEYS[10])
  return {'exists'}
end
call('DEL', meta, seats, free, holds, reservations, cache)
local built = {{KEYS[8], seats}, {KEYS[9], free}, {KEYS[10], reservations}}
for i = 1, 3 do
  if call('EXISTS', built[i][1]) == 1 then
    call('RENAME', built[i][1], built[i][2])
    call('PERSIST', built[i][2])
  end
end
call('HSET', meta, 'name', ARGV[1], 'seats', ARGV[2], 'created_ms', ARGV[3], 'token', ARGV[4], 'sold', ARGV[5])
if call('EXISTS', stream) == 0 then
  call('XADD', stream, '*', 'type', 'created', 'name', ARGV[1], 'total', ARGV[2], 'at_ms', now_ms())
end
return {'installed'}
