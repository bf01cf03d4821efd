-- KEYS: meta. ARGV: generation, postings prefix, terms. Returns {documents, frequency of each term}.
local found = {tonumber(redis.call('HGET', KEYS[1], 'documents') or '0')}
for i = 3, #ARGV do
  found[i - 1] = redis.call('ZCARD', ARGV[2] .. ARGV[i])
end
return found
