-- Makes a hold final, for its holder and while it lasts.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 stream  7 op; all of one event, so of one slot
-- ARGV   1 fingerprint of the request  2 ttl of the operation's record, ms  3 reservation id  4 user
--        5 the hold's token, or nothing ("") where the caller does not know it
--
-- Replies, all of strings
--   confirmed, reservation, token, seat…   also when it was confirmed before
--   no_reservation
--   not_holder                     somebody else's
--   stale, token                   the hold's token is this one, not the one that was given
--   expired                        its time is over; its seats are free again, from now at the latest
--   cancelled                      it was cancelled before
--   no_event                       not recorded
--   op_conflict                    the operation id was used for another request
-- The same operation again gets the same answer and changes nothing.
--
-- Invariants
--   A confirmed reservation has no time to end and is in holds no more; its seats are counted in meta's sold.
--   One entry in the stream for the change, none where nothing changed.

local call = redis.call
local meta, seats, free, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local reservations, stream, op = KEYS[5], KEYS[6], KEYS[7]

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

local fingerprint, ttl, id, user, token = ARGV[1], whole(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
if not ttl or not token then
  return redis.error_reply('ERR confirm: fingerprint, ttl > 0, reservation, user, token or nothing')
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

-- shared: state
-- Tells the stream. What reads it sees every change once, in order.
local function append(state, id, kept, now)
  call('XADD', stream, '*', 'type', state, 'reservation', id, 'user', kept.user,
    'seats', table.concat(kept.seats, ','), 'token', kept.token, 'version', kept.version or 0, 'at_ms', now)
end
-- end of shared

-- shared: give back
-- A reservation's seats are free again, each at its old position. In pieces, since unpack has a limit.
local function give_back(id, kept, state, now)
  local count = #kept.seats
  for first = 1, count, 500 do
    local last = math.min(first + 499, count)
    local places = {}
    for i = first, last do
      places[#places + 1] = kept.positions[i]
      places[#places + 1] = kept.seats[i]
    end
    call('ZADD', free, unpack(places))
    call('HDEL', seats, unpack(kept.seats, first, last))
  end
  if kept.state == 'confirmed' then
    call('HINCRBY', meta, 'sold', -count)
  else
    call('ZREM', holds, id)
  end
  kept.state = state
  call('HSET', reservations, id, cjson.encode(kept))
  append(state, id, kept, now)
end
-- end of shared

-- shared: reply
-- The words first, the seats behind them: one flat array, which is the same in RESP2 and RESP3.
local function with_seats(answer, kept)
  local words = #answer
  for i = 1, #kept.seats do
    answer[words + i] = kept.seats[i]
  end
  return answer
end
-- end of shared

local before = recorded()
if before then
  return before
end
if call('EXISTS', meta) == 0 then
  return {'no_event'}
end
local text = call('HGET', reservations, id)
if not text then
  return answered({'no_reservation'})
end
local kept = cjson.decode(text)
if kept.user ~= user then
  return answered({'not_holder'})
end
local current = digits(kept.token)
if token ~= '' and token ~= current then
  return answered({'stale', current})
end
if kept.state == 'held' then
  local now = now_ms()
  if kept.expires_ms <= now then
    give_back(id, kept, 'expired', now)
  else
    kept.state = 'confirmed'
    call('HSET', reservations, id, cjson.encode(kept))
    call('ZREM', holds, id)
    call('HINCRBY', meta, 'sold', #kept.seats)
    append('confirmed', id, kept, now)
  end
end
if kept.state ~= 'confirmed' then
  return answered({kept.state})
end
return answered(with_seats({'confirmed', id, current}, kept))
