-- Put before every script. KEYS[1]: meta of the shard; ARGV[1]: the expected generation and incarnation.
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then
  return redis.error_reply('INDEXLOST the index of this generation is missing or was built anew')
end
