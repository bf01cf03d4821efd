-- KEYS: meta, offers. ARGV: generation. Returns for each offer {version, seller version, digest, deleted, JSON}.
local found = {}
for i = 2, #KEYS do
  found[i - 1] = redis.call('HMGET', KEYS[i], 'v', 's', 'd', 'x', 'j')
end
return found
