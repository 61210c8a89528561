import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../src/connect.js';
import { keyspace } from '../src/keys.js';

describe('keys', () => {
  it('carry the hash tag of what they belong to', () => {
    const keys = keyspace('godwit', 'session');
    expect(keys.key('u1')).toBe('godwit:session:{u1}');
    expect(keys.key('p:a:b', 'devices', 'd-1')).toBe('godwit:session:{p:a:b}:devices:d-1');
    expect(keys.key('u1').startsWith(keys.prefix)).toBe(true);
  });

  it.each(['', 'a}b', '{a}', 'a b', 'a\n', '*', 'a:b'])('refuse the part %j', (part) => {
    expect(() => keyspace('n', 's').key('u1', part)).toThrow(RangeError);
  });

  it.each(['', '{', 'a}', '*', ' '])('refuse the tag %j', (tag) => {
    expect(() => keyspace('n', 's').key(tag)).toThrow(RangeError);
  });
});

describe('the URL', () => {
  it('with several hosts is a cluster', () => {
    expect(parseRedisUrl('redis://127.0.0.1:6479,127.0.0.1:6480')).toEqual({
      seeds: [
        { host: '127.0.0.1', port: 6479 },
        { host: '127.0.0.1', port: 6480 },
      ],
      cluster: true,
      options: {},
    });
    expect(parseRedisUrl('redis://redis.godwit?cluster=true')).toMatchObject({
      cluster: true,
      seeds: [{ host: 'redis.godwit', port: 6379 }],
    });
  });

  it('with one host is a single server', () => {
    expect(parseRedisUrl('rediss://me:p%40ss@cache:1/')).toEqual({
      seeds: [{ host: 'cache', port: 1 }],
      cluster: false,
      options: { username: 'me', password: 'p@ss', tls: {} },
    });
  });

  it.each(['', 'http://x', 'redis://', 'redis://a:b:c'])('%j is refused', (url) => {
    expect(() => parseRedisUrl(url)).toThrow();
  });
});
