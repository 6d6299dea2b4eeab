-- Takes old entries out of an event's stream, once nobody can ask for them any more.
--
-- KEYS   1 stream
-- ARGV   1 the last entry that was applied, or 0-0  2 entries are kept for so long, ms  3 take out no more than so many
--
-- Replies, all of strings
--   trimmed, taken, before   taken: how many are gone now   before: no entry before this one is there; 0-0 where that is all that can be said
--   no_stream
--
-- Invariants
--   What a group has not acknowledged stays, and so does what it was not given yet, whoever's group it is.
--   The last applied entry stays: by it whoever drains the stream sees that none is missing behind it.

local call = redis.call
local stream, last, keep, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not (keep and most and keep >= 0 and most >= 1) then
  return redis.error_reply('ERR trim: last, keep, most')
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

-- What is left of a block is no more than this, as servers are set up.
local PART = 200

local function parts(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms or 0), tonumber(number or 0)
end
local function is_before(one, other)
  local ms, number = parts(one)
  local other_ms, other_number = parts(other)
  return ms < other_ms or (ms == other_ms and number < other_number)
end

if call('EXISTS', stream) == 0 then
  return {'no_stream'}
end
local before = digits(math.max(0, now_ms() - keep)) .. '-0'
local function no_further(id)
  if is_before(id, before) then
    before = id
  end
end
no_further(last)
local groups = call('XINFO', 'GROUPS', stream)
for i = 1, #groups do
  local group = {}
  for at = 1, #groups[i], 2 do
    group[groups[i][at]] = groups[i][at + 1]
  end
  no_further(group['last-delivered-id'])
  if group.pending > 0 then
    no_further(call('XPENDING', stream, group.name)[2])
  end
end
if #groups == 0 or not is_before('0-0', before) then
  return {'trimmed', '0', '0-0'}
end

-- Whole blocks first, of which there is a limit; then what is left of one.
local taken = call('XTRIM', stream, 'MINID', '~', before, 'LIMIT', most)
if #call('XRANGE', stream, '-', '(' .. before, 'COUNT', PART + 1) <= PART then
  taken = taken + call('XTRIM', stream, 'MINID', before)
end
local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
if first then
  no_further(first[1])
end
return {'trimmed', digits(taken), before}
