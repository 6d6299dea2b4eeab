-- Writes down what the ledger says of one reservation: there it was decided, here it is only repeated.
--
-- KEYS   1 meta  2 seats  3 free  4 holds  5 reservations  6 stream  7 cache; all of one event, so of one slot
-- ARGV   1 confirmed or cancelled  2 reservation id  3 user  4 token  5 version of the event that this made
--        6 for how long the cache refuses what is older, ms  then for each seat: position, label
--
-- Replies, all of strings
--   recorded, evicted…             evicted: reservations that had one of the seats, and have lost it
--   known, version                 this or something newer was written down before; nothing is changed
--   conflict, seat, reservation    the seat is sold to this one, of which the ledger is not known to have said anything older; nothing is changed
--   no_seat, seat                  the event has no such seat; nothing is changed
--   no_event
-- Done twice it is as done once, and done in the wrong order the newest stays.
--
-- Invariants
--   Every seat is in exactly one of free and seats; meta's sold counts the seats of confirmed reservations.
--   meta's token is not less than that of any reservation that the ledger has: holds to come are newer than it, whatever a failover lost.
--   The cache has nothing older than the version, and takes nothing older.

local call = redis.call
local meta, seats, free, holds = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local reservations, stream, cache = KEYS[5], KEYS[6], KEYS[7]

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

local state, id, user = ARGV[1], ARGV[2], ARGV[3]
local token, version, ttl = whole(ARGV[4]), whole(ARGV[5]), whole(ARGV[6])
if not (token and version and ttl and #ARGV % 2 == 0 and (state == 'confirmed' or state == 'cancelled')) then
  return redis.error_reply('ERR record: confirmed | cancelled, reservation, user, token, version, ttl > 0, (position, label)…')
end

-- shared: clock
-- The server's time in ms since 1970. Its effects are replicated, not the call, so replicas agree.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
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

local function kept_of(reservation)
  local text = call('HGET', reservations, reservation)
  return text and cjson.decode(text)
end

if call('EXISTS', meta) == 0 then
  return {'no_event'}
end
local kept = kept_of(id)
if kept and (kept.version or 0) >= version then
  return {'known', digits(kept.version)}
end

-- First a look at all seats, then the first change.
local labels, positions, evicted, others = {}, {}, {}, {}
for i = 7, #ARGV, 2 do
  local label = ARGV[i + 1]
  labels[#labels + 1], positions[#positions + 1] = label, tonumber(ARGV[i])
  local owner = call('HGET', seats, label)
  if owner and owner ~= id and state == 'confirmed' and not others[owner] then
    local other = kept_of(owner)
    -- One that the ledger confirmed earlier was cancelled there since, or the seat could not have been sold again.
    if other and other.state == 'confirmed' and (not other.version or other.version > version) then
      return {'conflict', label, owner}
    end
    others[owner] = other or false
    evicted[#evicted + 1] = owner
  elseif not owner and not call('ZSCORE', free, label) then
    return {'no_seat', label}
  end
end

local now = now_ms()
if state == 'confirmed' then
  for i = 1, #evicted do
    local other = others[evicted[i]]
    if other then
      give_back(evicted[i], other, other.state == 'held' and 'lost' or 'cancelled', now)
    end
  end
  if kept and kept.state == 'held' then
    call('ZREM', holds, id)
  end
  if not kept or kept.state ~= 'confirmed' then
    call('HINCRBY', meta, 'sold', #labels)
  end
  for i = 1, #labels do
    call('ZREM', free, labels[i])
    call('HSET', seats, labels[i], id)
  end
  kept = {
    user = user, seats = labels, positions = positions, state = state, expires_ms = kept and kept.expires_ms or 0,
    token = token, version = version,
  }
  call('HSET', reservations, id, cjson.encode(kept))
  append(state, id, kept, now)
elseif kept and (kept.state == 'held' or kept.state == 'confirmed') then
  kept.version = version
  give_back(id, kept, state, now)
elseif kept then
  kept.state, kept.version = state, version
  call('HSET', reservations, id, cjson.encode(kept))
elseif #labels > 0 then
  -- Not known here, and known to the ledger: what it said before may still be on its way.
  kept = {
    user = user, seats = labels, positions = positions, state = state, expires_ms = 0, token = token, version = version,
  }
  call('HSET', reservations, id, cjson.encode(kept))
end

if tonumber(call('HGET', meta, 'token') or 0) < token then
  call('HSET', meta, 'token', token)
end
local cached = call('GET', cache)
if not cached or tonumber(string.match(cached, '^(%d+):') or 0) < version then
  call('SET', cache, ARGV[5] .. ':', 'PX', ttl)
end

local answer = {'recorded'}
for i = 1, #evicted do
  answer[i + 1] = evicted[i]
end
return answer
