-- KEYS: meta. ARGV: generation, incarnation to use if there is none. The first of several workers wins.
-- Returns the incarnation that stands. (Runs without the guard: it makes what the guard asks for.)
local held = redis.call('HGET', KEYS[1], 'generation')
if not held then
  held = ARGV[1] .. ' ' .. ARGV[2]
  redis.call('HSET', KEYS[1], 'generation', held)
end
return held
