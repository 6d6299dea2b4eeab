-- Gives a lock up.
--
-- KEYS   1 lock  2 the lock's token counter (not touched: the next owner's token is higher)
-- ARGV   1 owner  2 token
--
-- Replies, all of strings
--   unlocked
--   not_holder                     somebody else has it, or nobody, or the same owner under another token

local call = redis.call
local lock, owner, token = KEYS[1], ARGV[1], ARGV[2]
if not token then
  return redis.error_reply('ERR unlock: owner, token')
end

local has = call('HMGET', lock, 'owner', 'token')
if has[1] == owner and has[2] == token then
  call('DEL', lock)
  return {'unlocked'}
end
return {'not_holder'}
