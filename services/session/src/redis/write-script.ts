// Changes the sessions of one user unless the archive has newer ones, in one step.
// KEYS[1] the user's hash; ARGV: its time to live in ms, then triples of operation ('put' or 'remove'), device, value
// (of a removal: the epoch). Answers the newer sessions that it found instead: device, value, device, value ...
export const WRITE_SCRIPT = `
local newer = {}
local function epoch_of(value) return tonumber(string.match(value, '^%d+')) end
for i = 2, #ARGV, 3 do
  local device, value = ARGV[i + 1], ARGV[i + 2]
  local stored = redis.call('HGET', KEYS[1], device)
  local is_newer = stored and epoch_of(stored) and epoch_of(stored) > epoch_of(value)
  if ARGV[i] == 'remove' then
    if stored and not is_newer then redis.call('HDEL', KEYS[1], device) end
  elseif is_newer then
    newer[#newer + 1] = device
    newer[#newer + 1] = stored
  else
    redis.call('HSET', KEYS[1], device, value)
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return newer
`;
