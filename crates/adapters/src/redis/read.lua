-- Reads what came after a cursor; from the beginning, when the cursor is one of another history.
-- KEYS: as in add.lua. ARGV: history and position of the cursor, how many entries.

local history = redis.call('GET', KEYS[3]) or ''
local position = ARGV[2]
if history ~= ARGV[1] then
  position = '0-0'
end

local found = redis.call('XREAD', 'COUNT', ARGV[3], 'STREAMS', KEYS[1], position)
return { history, position, found and found[1][2] or {} }
