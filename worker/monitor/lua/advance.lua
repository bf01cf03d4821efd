-- Moves the comparison of some inputs on by one window, if nobody else has done so or changed the states meanwhile.
-- KEYS: position, states, edits
-- ARGV: expected position ("" for none), next position, expected edits, then name, state, name, state, ...
-- Returns 1, or 0 when somebody was faster (then nothing is written).
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
for place = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[place], ARGV[place + 1])
end
return 1
