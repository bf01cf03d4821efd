-- KEYS: meta, pending. ARGV: generation, other offer, token. Tokens of one pair are kept as "US token US token US".
local tokens = redis.call('HGET', KEYS[2], ARGV[2]) or '\31'
local mine = '\31' .. ARGV[3] .. '\31'
if not string.find(tokens, mine, 1, true) then
  redis.call('HSET', KEYS[2], ARGV[2], tokens .. ARGV[3] .. '\31')
end
return 1
