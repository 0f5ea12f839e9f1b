-- Adds entries to the log.
-- KEYS: the log, the ends of its entries, the name of its history. ARGV: of each entry the end and the text.

-- A log that is new, or was lost, gets a name of its own: the time of this step, which runs alone.
if redis.call('EXISTS', KEYS[1]) == 0 then
  local now = redis.call('TIME')
  redis.call('SET', KEYS[3], now[1] .. '.' .. now[2])
end

for i = 1, #ARGV, 2 do
  local position = redis.call('XADD', KEYS[1], '*', 'entry', ARGV[i + 1])
  redis.call('ZADD', KEYS[2], ARGV[i], position)
end
