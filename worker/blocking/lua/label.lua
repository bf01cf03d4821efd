-- KEYS: meta, labels. ARGV: generation, field (other offer and contents), JSON, offset, by.
-- Returns 1 where the label counts now (schemas.label.replaces), 0 where the one that is there goes on to count.
local held = redis.call('HGET', KEYS[2], ARGV[2])
if held then
  local old = cjson.decode(held)
  if old.by ~= ARGV[5] then
    if ARGV[5] ~= 'person' then
      return 0
    end
  elseif tonumber(ARGV[4]) < old.offset then
    return 0
  end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
