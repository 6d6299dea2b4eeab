-- Counts a view of an event, once for every operation id.
--
-- KEYS   1 views  2 op; both of one event, so of one slot
-- ARGV   1 fingerprint of the request  2 ttl of the operation's record, ms
--
-- Replies, all of strings
--   viewed, views                  how many, this one among them
--   op_conflict                    the operation id was used for another request
-- The same operation again gets the same answer and is not counted.

local call = redis.call
local views, op = KEYS[1], KEYS[2]

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

local fingerprint, ttl = ARGV[1], whole(ARGV[2])
if not ttl then
  return redis.error_reply('ERR view: fingerprint, ttl > 0')
end

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
return answered({'viewed', digits(call('INCR', views))})
