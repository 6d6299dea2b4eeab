-- Says how a reservation stands, for whoever is about to write it down elsewhere. Changes nothing.
--
-- KEYS   1 meta  2 reservations; both of one event, so of one slot
-- ARGV   1 reservation id  2 user  3 the hold's token, or nothing ("") where the caller does not know it
--
-- Replies, all of strings
--   held, token, remaining_ms, seat…
--   confirmed, token, version, seat…   version: that of the ledger, 0 where the ledger has no part in it
--   cancelled, expired, lost           so it is; expired: also where its time is over and nobody came for the seats yet
--   no_reservation
--   not_holder                         somebody else's
--   stale, token                       the hold's token is this one, not the one that was given
--   no_event

local call = redis.call
local meta, reservations = KEYS[1], KEYS[2]
local id, user, token = ARGV[1], ARGV[2], ARGV[3]
if not token then
  return redis.error_reply('ERR hold: reservation, user, token or nothing')
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

if call('EXISTS', meta) == 0 then
  return {'no_event'}
end
local text = call('HGET', reservations, id)
if not text then
  return {'no_reservation'}
end
local kept = cjson.decode(text)
if kept.user ~= user then
  return {'not_holder'}
end
local current = digits(kept.token)
if token ~= '' and token ~= current then
  return {'stale', current}
end
if kept.state == 'held' then
  local remaining = kept.expires_ms - now_ms()
  if remaining <= 0 then
    return {'expired'}
  end
  return with_seats({'held', current, digits(remaining)}, kept)
elseif kept.state == 'confirmed' then
  return with_seats({'confirmed', current, digits(kept.version or 0)}, kept)
end
return {kept.state}
