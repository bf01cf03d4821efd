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

-- Lexicographic order of nested arrays of numbers and strings, as Python orders tuples; strings by bytes, because Lua's
-- own "<" follows the server's locale.
local function compare(x, y)
  if x == y then return 0 end
  if type(x) == 'number' then return x < y and -1 or 1 end
  if type(x) == 'string' then
    for i = 1, math.min(#x, #y) do
      local p, q = string.byte(x, i), string.byte(y, i)
      if p ~= q then return p < q and -1 or 1 end
    end
    return #x < #y and -1 or 1
  end
  for i = 1, math.min(#x, #y) do
    local c = compare(x[i], y[i])
    if c ~= 0 then return c end
  end
  return #x == #y and 0 or (#x < #y and -1 or 1)
end

-- An older decision never replaces a newer one.
local held = redis.call('HGET', KEYS[3], ARGV[2])
if held and ARGV[4] ~= '' then
  local old, new = cjson.decode(held), cjson.decode(ARGV[4])
  local by = (#old.order > 0 and #new.order > 0) and 'order' or 'versions'
  if compare(old[by], new[by]) > 0 then
    return 0
  end
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
else
  redis.call('HDEL', KEYS[3], ARGV[2])
end
return 1
