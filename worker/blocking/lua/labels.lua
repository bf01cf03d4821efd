-- KEYS: meta, then the labels of each offer. ARGV: generation. Returns the hash of each, in turn.
local found = {}
for i = 2, #KEYS do
  found[i - 1] = redis.call('HGETALL', KEYS[i])
end
return found
