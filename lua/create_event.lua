-- Creates an event with all its seats free.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 stream  7 op; all of one event, so of one slot
-- ARGV   1 fingerprint of the request  2 ttl of the operation's record, ms  3 name  4… the labels of the seats, in order
--
-- Replies, all of strings
--   created, seats, created_ms     seats: how many; a label that was given twice is one seat
--   exists                         the id belongs to another event: take another id
--   op_conflict                    the operation id was used for another request
-- The same operation again gets the same answer and changes nothing.
--
-- Invariants
--   meta   name, seats (how many), created_ms, token (0, grows with every hold), sold (0, seats of confirmed reservations)
--   free   every seat, its score its position from 0: seats are given in this order
--   stream one entry: type created, name, total, at_ms

local call = redis.call
local meta, free, stream, op = KEYS[1], KEYS[3], KEYS[6], KEYS[7]

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

local fingerprint, ttl, name = ARGV[1], whole(ARGV[2]), ARGV[3]
if not ttl or not name then
  return redis.error_reply('ERR create_event: fingerprint, ttl > 0, name, seats')
end

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
-- end of shared

-- shared: record
-- The answer that this operation got before, or nothing. Another request under the same operation id gets none.
local function recorded()
  local text = call('GET', op)
  if text then
    local record = cjson.decode(text)
    return record[1] == fingerprint and record[2] or {'op_conflict'}
  end
end

-- Keeps the answer for a repetition: clients repeat by themselves what they got no answer to.
local function answered(answer)
  call('SET', op, cjson.encode({fingerprint, answer}), 'PX', ttl)
  return answer
end
-- end of shared

local before = recorded()
if before then
  return before
end
if call('EXISTS', meta) == 1 then
  return answered({'exists'})
end

local total = 0
for first = 4, #ARGV, 500 do
  local places = {}
  for i = first, math.min(first + 499, #ARGV) do
    places[#places + 1] = i - 4
    places[#places + 1] = ARGV[i]
  end
  total = total + call('ZADD', free, 'NX', unpack(places))
end

local now = now_ms()
call('HSET', meta, 'name', name, 'seats', total, 'created_ms', now, 'token', '0', 'sold', '0')
call('XADD', stream, '*', 'type', 'created', 'name', name, 'total', total, 'at_ms', now)
return answered({'created', digits(total), digits(now)})
