-- KEYS: meta. ARGV: generation, postings prefix, the query's own key, 'source:' to leave out or '', k, least score,
-- postings read at most per term, then term, weight, ... Returns {key, score, ...}, best first, ties by key bytes.
local own, source, k, least, cut = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local sums = {}
for i = 8, #ARGV, 2 do
  local weight = tonumber(ARGV[i + 1])
  local posting = redis.call('ZREVRANGE', ARGV[2] .. ARGV[i], 0, cut - 1, 'WITHSCORES')
  for j = 1, #posting, 2 do
    local key = posting[j]
    sums[key] = (sums[key] or 0) + weight * posting[j + 1]
  end
end
sums[own] = nil

-- Lua's own "<" on strings follows the server's locale; keys are compared by bytes.
local function before(x, y)
  for i = 1, math.min(#x, #y) do
    local p, q = string.byte(x, i), string.byte(y, i)
    if p ~= q then return p < q end
  end
  return #x < #y
end
local function better(x, y)
  local p, q = sums[x], sums[y]
  if p ~= q then return p > q end
  return before(x, y)
end

local top = {}
for key, score in pairs(sums) do
  if score >= least and (source == '' or string.sub(key, 1, #source) ~= source) then
    if k > 256 then
      top[#top + 1] = key
    elseif #top < k or better(key, top[k]) then
      local at = math.min(#top + 1, k)
      while at > 1 and better(key, top[at - 1]) do
        top[at] = top[at - 1]
        at = at - 1
      end
      top[at] = key
    end
  end
end
if k > 256 then
  table.sort(top, better)
end
local found = {}
for i = 1, math.min(k, #top) do
  found[2 * i - 1] = top[i]
  found[2 * i] = string.format('%.0f', sums[top[i]])
end
return found
