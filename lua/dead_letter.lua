-- Puts an entry of an event's stream that nobody can apply where somebody will look at it.
--
-- KEYS   1 the stream of dead letters
-- ARGV   1 the entry's id  2 how often it was tried  3 what came of the last time  then: its fields and values
--
-- Replies, all of strings
--   buried
--   known                          it was there
--
-- Invariants
--   An entry is there once, under the id that it had, its fields behind those of ours: why, tries.

local call = redis.call
local dead, id = KEYS[1], ARGV[1]
if #ARGV < 3 or #ARGV % 2 == 0 then
  return redis.error_reply('ERR dead_letter: id, tries, why, (field, value)…')
end
if #call('XRANGE', dead, id, id) == 1 then
  return {'known'}
end
local fields = {'why', ARGV[3], 'tries', ARGV[2]}
for i = 4, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
call('XADD', dead, id, unpack(fields))
return {'buried'}
