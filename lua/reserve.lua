-- Holds seats for a user until a time: all that are asked for, or none.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 stream  7 op; all of one event, so of one slot
-- ARGV   1 fingerprint of the request  2 ttl of the operation's record, ms  3 reservation id  4 user  5 how long to hold, ms
--        then: count, N (the N lowest free seats), or: seats, label…
--
-- Replies, all of strings
--   held, reservation, token, expires_ms, seat…
--   sold_out, free                 fewer seats are free than were asked for
--   taken, seat                    the first named seat that somebody has (or that was named twice)
--   no_seat, seat                  the first named seat that the event has not
--   too_many, seats                more than the event has at all
--   exists                         the reservation id was used before: take another
--   no_event                       not recorded
--   op_conflict                    the operation id was used for another request
-- The same operation again gets the same answer and changes nothing.
--
-- Invariants
--   Holds whose time is over are given back first, so no sweeper is needed for correctness.
--   Every seat is in exactly one of free and seats. A reservation id is used once.
--   The token of an event grows with every hold: what is done under an old one can be told and refused.
--   With no hold to give back the work grows with the seats asked for, hardly with the event (its logarithm).
--   One entry in the stream for the hold, and one for every hold given back.

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

local fingerprint, ttl, id, user = ARGV[1], whole(ARGV[2]), ARGV[3], ARGV[4]
local hold, kind, wanted = whole(ARGV[5]), ARGV[6], whole(ARGV[7])
if not (ttl and hold and (kind == 'count' and wanted or kind == 'seats' and ARGV[7])) then
  return redis.error_reply('ERR reserve: fingerprint, ttl > 0, reservation, user, hold > 0, count N > 0 | seats LABEL…')
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
local total = call('HGET', meta, 'seats')
if not total then
  return {'no_event'}
end

-- What is over at this very ms is over.
local now = now_ms()
local over
repeat
  over = call('ZRANGEBYSCORE', holds, '-inf', now, 'LIMIT', 0, 500)
  for i = 1, #over do
    give_back(over[i], cjson.decode(call('HGET', reservations, over[i])), 'expired', now)
  end
until #over < 500

local chosen, positions = {}, {}
if kind == 'count' then
  if wanted > tonumber(total) then
    return answered({'too_many', total})
  end
  local found = call('ZRANGE', free, 0, wanted - 1, 'WITHSCORES')
  if #found < 2 * wanted then
    return answered({'sold_out', digits(#found / 2)})
  end
  for i = 1, wanted do
    chosen[i], positions[i] = found[2 * i - 1], tonumber(found[2 * i])
  end
else
  local named = {}
  for first = 7, #ARGV, 500 do
    local scores = call('ZMSCORE', free, unpack(ARGV, first, math.min(first + 499, #ARGV)))
    for i = 1, #scores do
      local seat = ARGV[first + i - 1]
      if named[seat] or not scores[i] and call('HEXISTS', seats, seat) == 1 then
        return answered({'taken', seat})
      elseif not scores[i] then
        return answered({'no_seat', seat})
      end
      named[seat] = true
      chosen[#chosen + 1], positions[#positions + 1] = seat, tonumber(scores[i])
    end
  end
end

local expires = now + hold
local kept = {
  user = user, seats = chosen, positions = positions, state = 'held', expires_ms = expires,
  token = call('HINCRBY', meta, 'token', 1),
}
-- The one place where an id is taken. That a token is then missing does no harm: they only have to grow.
if call('HSETNX', reservations, id, cjson.encode(kept)) == 0 then
  return answered({'exists'})
end
for first = 1, #chosen, 500 do
  local last = math.min(first + 499, #chosen)
  local taken = {}
  for i = first, last do
    taken[#taken + 1] = chosen[i]
    taken[#taken + 1] = id
  end
  call('ZREM', free, unpack(chosen, first, last))
  call('HSET', seats, unpack(taken))
end
call('ZADD', holds, expires, id)
append('held', id, kept, now)
return answered(with_seats({'held', id, digits(kept.token), digits(expires)}, kept))
