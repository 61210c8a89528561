// KEYS[1] the user's hash; ARGV: edge, incarnation, time to live in ms. Answers the hash as it was before.
export const ONLINE_SCRIPT = `
local before = redis.call('HGETALL', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return before
`;

// KEYS[1] the user's hash; ARGV: edge, value while online, value since offline. Marks the user as gone unless another
// run of the edge is there, or the mark is. Answers the hash as it is after.
export const OFFLINE_SCRIPT = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return redis.call('HGETALL', KEYS[1])
`;

// KEYS[1] the user's hash; ARGV: edge, value. Removes the mark unless the user is back there.
export const FORGET_SCRIPT = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
`;
