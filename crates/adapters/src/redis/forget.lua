-- Forgets entries that ended before a time, and says how many.
-- KEYS: as in add.lua. ARGV: the time, how many at most.

local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, position in ipairs(ended) do
  redis.call('XDEL', KEYS[1], position)
  redis.call('ZREM', KEYS[2], position)
end
return #ended
