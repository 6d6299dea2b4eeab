-- Gives a reservation back, held or confirmed, for the user who has it.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 stream  7 op; all of one event, so of one slot
-- ARGV   1 fingerprint of the request  2 ttl of the operation's record, ms  3 reservation id  4 user
--
-- Replies, all of strings
--   cancelled, reservation, seat…  also when it was cancelled before; the seats may be another's since
--   no_reservation
--   not_holder                     somebody else's
--   expired                        its time is over; its seats are free again, from now at the latest
--   no_event                       not recorded
--   op_conflict                    the operation id was used for another request
-- The same operation again gets the same answer and changes nothing.
--
-- Invariants
--   Every seat is in exactly one of free and seats; meta's sold goes down by the seats of a confirmed reservation.
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

local fingerprint, ttl, id, user = ARGV[1], whole(ARGV[2]), ARGV[3], ARGV[4]
if not ttl or not user then
  return redis.error_reply('ERR cancel: fingerprint, ttl > 0, reservation, user')
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
local now = now_ms()
if kept.state == 'held' and kept.expires_ms <= now then
  give_back(id, kept, 'expired', now)
elseif kept.state == 'held' or kept.state == 'confirmed' then
  give_back(id, kept, 'cancelled', now)
end
if kept.state == 'expired' then
  return answered({'expired'})
end
return answered(with_seats({'cancelled', id}, kept))
