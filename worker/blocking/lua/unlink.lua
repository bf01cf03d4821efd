-- KEYS: meta, pending, standing. ARGV: generation, other offer, JSON of the standing that was seen or '', tokens that were seen.
-- Removes what was seen and nothing that came since.
local tokens = redis.call('HGET', KEYS[2], ARGV[2])
if tokens then
  for i = 4, #ARGV do
    local from, to = string.find(tokens, '\31' .. ARGV[i] .. '\31', 1, true)
    if from then
      tokens = string.sub(tokens, 1, from) .. string.sub(tokens, to + 1)
    end
  end
  if tokens == '\31' then
    redis.call('HDEL', KEYS[2], ARGV[2])
  else
    redis.call('HSET', KEYS[2], ARGV[2], tokens)
  end
end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[3], ARGV[2]) == ARGV[3] then
  redis.call('HDEL', KEYS[3], ARGV[2])
end
return 1
