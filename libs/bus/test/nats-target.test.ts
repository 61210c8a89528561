import { describe, expect, it } from 'vitest';
import { natsTarget } from '../src/nats-target.js';

describe('where to connect', () => {
  it.each([
    ['nats://127.0.0.1:4222', { servers: ['127.0.0.1:4222'] }],
    ['nats://nats-0:4222,nats://nats-1:4222', { servers: ['nats-0:4222', 'nats-1:4222'] }],
    ['nats://nats-0:4222,nats-1:4222/', { servers: ['nats-0:4222', 'nats-1:4222'] }],
    [
      'nats://fleet:a%2Cb%40c@nats-0:4222,nats://fleet:x@nats-1:4222',
      { servers: ['nats-0:4222', 'nats-1:4222'], user: 'fleet', pass: 'a,b@c' },
    ],
    ['nats://fleet:@nats-0', { servers: ['nats-0'], user: 'fleet', pass: '' }],
    ['tls://token@nats-0:4222', { servers: ['nats-0:4222'], token: 'token', tls: {} }],
  ])('of %s', (url, target) => {
    expect(natsTarget(url)).toEqual(target);
  });
});
