-- KEYS: meta, pending, standing. ARGV: generation, other offer, token, standing JSON or '' (none), '1' when it links.
-- Nothing is done where the token does not stand. Returns 1 where the standing is now what was asked.
local tokens = redis.call('HGET', KEYS[2], ARGV[2])
local mine = '\31' .. ARGV[3] .. '\31'
local from, to = nil, nil
if tokens then
  from, to = string.find(tokens, mine, 1, true)
end
if not from then
  return 0
end
local rest = string.sub(tokens, 1, from) .. string.sub(tokens, to + 1)
if rest == '\31' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], rest)
end

-- A decision on older versions never replaces one on newer; of two on the same versions and bundle the one whose
-- query is the pair's first offer stands.
local held = redis.call('HGET', KEYS[3], ARGV[2])
if held and ARGV[4] ~= '' then
  local old, new = cjson.decode(held), cjson.decode(ARGV[4])
  local a, b = old.versions[1] - new.versions[1], old.versions[2] - new.versions[2]
  if a >= 0 and b >= 0 and (a > 0 or b > 0) then
    return 0
  end
  if a == 0 and b == 0 and old.bundle == new.bundle and old.query_first and not new.query_first then
    return 0
  end
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
else
  redis.call('HDEL', KEYS[3], ARGV[2])
end
return 1
