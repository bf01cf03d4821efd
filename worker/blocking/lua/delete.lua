-- KEYS: meta, offer. ARGV: generation, postings prefix, key, effective version, seller version or '', marker's life in ms or '0'.
-- Leaves a marker with the version, so that an older write that comes later resurrects nothing.
-- Returns {status, effective version held, known, by seller version}.
local held = redis.call('HMGET', KEYS[2], 'v', 'h', 'x', 't', 'k')
local stored, version = tonumber(held[1]), tonumber(ARGV[4])
local seller, floor = tonumber(ARGV[5]), tonumber(held[2])
local live = stored and held[3] ~= '1'

if stored then
  if version < stored then
    return {'superseded', held[1], 1, 0}
  elseif version == stored and not live then
    return {'same', held[1], tonumber(held[5]), 0}
  elseif seller and floor and seller < floor then
    return {'superseded', held[1], 1, 1}
  end
end

if live then
  for term in string.gmatch(held[4], '([^\31]+)\31[^\31]+\31') do
    redis.call('ZREM', ARGV[2] .. term, ARGV[3])
  end
  redis.call('HINCRBY', KEYS[1], 'documents', -1)
end
local high = floor
if seller and not (floor and floor > seller) then
  high = seller
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'v', ARGV[4], 's', ARGV[5], 'h', high and string.format('%.0f', high) or '', 'x', '1',
  'k', live and '1' or '0')
if ARGV[6] ~= '0' then
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return {live and 'deleted' or 'unknown', ARGV[4], live and 1 or 0, 0}
