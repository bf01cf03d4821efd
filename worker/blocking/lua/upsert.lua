-- KEYS: meta, offer. ARGV: generation, postings prefix, key, effective version, seller version or '', digest, JSON,
-- terms as "term US score US ..." (US = \31). All postings share the hash tag of KEYS.
-- Returns {status, effective version held, equal-version conflict, by seller version}.
local held = redis.call('HMGET', KEYS[2], 'v', 'h', 'd', 'x', 't')
local stored, version = tonumber(held[1]), tonumber(ARGV[4])
local seller, floor = tonumber(ARGV[5]), tonumber(held[2])
local live = stored and held[4] ~= '1'
local status, conflict = 'created', 0

if stored then
  if version < stored then
    return {'superseded', held[1], 0, 0}
  elseif version == stored then
    status = 'same'
  else
    if seller and floor and seller < floor then
      return {'superseded', held[1], 0, 1}
    end
    if seller and floor and seller == floor and held[3] ~= ARGV[6] then
      conflict = 1
    end
    if live then
      status = held[3] == ARGV[6] and 'unchanged' or 'updated'
    end
  end
end

if held[5] ~= ARGV[8] then
  local old = {}
  if held[5] then
    for term, score in string.gmatch(held[5], '([^\31]+)\31([^\31]+)\31') do
      old[term] = score
    end
  end
  for term, score in string.gmatch(ARGV[8], '([^\31]+)\31([^\31]+)\31') do
    if old[term] ~= score then
      redis.call('ZADD', ARGV[2] .. term, score, ARGV[3])
    end
    old[term] = nil
  end
  for term in pairs(old) do
    redis.call('ZREM', ARGV[2] .. term, ARGV[3])
  end
end

if not live then
  redis.call('HINCRBY', KEYS[1], 'documents', 1)
end
-- The highest seller version ever seen stays the floor, also across a change that gives none.
local high = floor
if seller and not (floor and floor > seller) then
  high = seller
end
redis.call('HSET', KEYS[2], 'v', ARGV[4], 's', ARGV[5], 'h', high and string.format('%.0f', high) or '',
  'd', ARGV[6], 'x', '0', 'j', ARGV[7], 't', ARGV[8])
if stored and not live then
  redis.call('HDEL', KEYS[2], 'k')
  redis.call('PERSIST', KEYS[2])
end
return {status, ARGV[4], conflict, 0}
