import { ManualClock } from '@godwit/runtime/clock';
import { expect, it } from 'vitest';
import { TypingLimiter } from '../src/domain/typing-limiter.js';

it('lets one notice of typing through in two seconds, and one stop after it', () => {
  const clock = new ManualClock();
  const limiter = new TypingLimiter(clock);
  const typing = { conversationId: 'c', userId: 'u', stopped: false };
  expect(limiter.allows(typing)).toBe(true);
  expect(limiter.allows(typing)).toBe(false);
  expect(limiter.allows({ ...typing, conversationId: 'd' })).toBe(true);
  expect(limiter.allows({ ...typing, stopped: true })).toBe(true);
  expect(limiter.allows({ ...typing, stopped: true })).toBe(false);
  clock.advance(1_999);
  expect(limiter.allows(typing)).toBe(false);
  clock.advance(1);
  expect(limiter.allows(typing)).toBe(true);
  expect(limiter.allows({ ...typing, userId: 'v', stopped: true })).toBe(false);
});
