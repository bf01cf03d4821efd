-- Adds one record to its window, once, whoever reads it and how often.
--
-- A partition's mark is the last offset that was counted; it only grows by one step from a record to the next one that
-- holds data. `from` is the caller's word that no data lies in [from, offset): he has read that far himself. If the mark
-- is behind it, somebody has skipped records, and nothing is counted until they are (the caller fetches them).
--
-- KEYS: marks, times, window, segments of the window, ids seen in the window, windows of these inputs
-- ARGV: place, from, offset, at_ms, window member, window start, unique id, most segments, ttl_ms, seen_ttl_ms, payload
-- Returns {'counted'|'old'|'twice'|'gap'|'empty', mark}
local mark = redis.call('HGET', KEYS[1], ARGV[1])
local offset = tonumber(ARGV[3])
if mark then
  local reached = tonumber(mark)
  if offset <= reached then return {'old', mark} end
  if tonumber(ARGV[2]) > reached + 1 then return {'gap', mark} end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
local payload = cjson.decode(ARGV[11])
if #payload.counts == 0 then return {'empty', ARGV[3]} end
local ttl = ARGV[9]
redis.call('ZADD', KEYS[6], ARGV[6], ARGV[5])
local outcome = 'counted'
local counts = payload.counts
if ARGV[7] ~= '' then
  if redis.call('SADD', KEYS[5], ARGV[7]) == 0 then
    outcome = 'twice'
    counts = {{'sum.twice', '', 1}}
  end
  redis.call('PEXPIRE', KEYS[5], ARGV[10])
end
if payload.bundle ~= '' then redis.call('HSETNX', KEYS[3], '@bundle', payload.bundle) end
local done = {}
for _, segment in ipairs(payload.segments) do
  if segment ~= 'all' and redis.call('SISMEMBER', KEYS[4], segment) == 0 then
    if redis.call('SCARD', KEYS[4]) < tonumber(ARGV[8]) then
      redis.call('SADD', KEYS[4], segment)
    else
      segment = 'other'
    end
  end
  if not done[segment] then
    done[segment] = true
    for _, each in ipairs(counts) do
      redis.call('HINCRBY', KEYS[3], segment .. '\31' .. each[1] .. '\31' .. each[2], each[3])
    end
  end
end
redis.call('PEXPIRE', KEYS[3], ttl)
redis.call('PEXPIRE', KEYS[4], ttl)
return {outcome, ARGV[3]}
