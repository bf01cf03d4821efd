-- KEYS: meta. ARGV: generation, then partition, next offset, ... An applied offset only grows.
for i = 2, #ARGV, 2 do
  local name = 'applied:' .. ARGV[i]
  local held = tonumber(redis.call('HGET', KEYS[1], name))
  if not held or held < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], name, ARGV[i + 1])
  end
end
return 1
