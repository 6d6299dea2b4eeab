-- Takes the next entries of an event's stream for the worker who drains it, and says that it is done with others.
--
-- KEYS   1 stream
-- ARGV   1 group  2 consumer  3 at most so many entries  4 the last entry that was applied, or 0-0  then: entries that are done with
--
-- Replies, all of strings
--   entries, now_ms, first, kept, claimed, vanished   then for each entry: id, how many strings, the strings
--     first: the first entry that the stream has, or nothing ("")   kept: 1 where it still has the last applied one, else 0
--     claimed: how many of the entries had been given to a worker before   vanished: how many of those that were are not there any more
--   no_stream
-- First comes what was given to any worker and not done with, in order, then what is new: whoever calls this has to be the only one who
-- drains the stream.

local call = redis.call
local stream = KEYS[1]
local group, consumer, most, last = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if not (most and last) then
  return redis.error_reply('ERR take: group, consumer, most, last, done…')
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

if call('EXISTS', stream) == 0 then
  return {'no_stream'}
end
local before = redis.pcall('XPENDING', stream, group)
if before.err then
  call('XGROUP', 'CREATE', stream, group, '0')
end
for from = 5, #ARGV, 500 do
  call('XACK', stream, group, unpack(ARGV, from, math.min(from + 499, #ARGV)))
end

local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)
local kept = #call('XRANGE', stream, last, last)
local answer = {'entries', digits(now_ms()), first[1] and first[1][1] or '', digits(kept), '0', '0'}
local count = 0
local function give(entry)
  count = count + 1
  local fields = entry[2]
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = digits(#fields)
  for i = 1, #fields do
    answer[#answer + 1] = fields[i]
  end
end

-- One that was trimmed is, by the server's version, passed over, or named in a third list, or only a hole in the second.
before = call('XPENDING', stream, group)[1]
local found = call('XAUTOCLAIM', stream, group, consumer, 0, '0-0', 'COUNT', most)
local entries = found[2]
local holes = found[3] and #found[3] or 0
for i = 1, #entries do
  if entries[i] and entries[i][2] then
    give(entries[i])
  elseif not found[3] then
    holes = holes + 1
  end
end
answer[5], answer[6] = digits(count), digits(holes)
if count < most and before - holes <= count then
  local new = call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', most - count, 'STREAMS', stream, '>')
  if new then
    entries = new[1][2]
    for i = 1, #entries do
      give(entries[i])
    end
  end
end
return answer
