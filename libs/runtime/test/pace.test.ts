import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pace } from '../src/pace.js';

describe('Pace', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('flushes once for a turn, and does not hold back what is alone', () => {
    let flushed = 0;
    const pace = new Pace({ gapMs: 60_000, flush: () => flushed++ });
    pace.request();
    pace.request();
    expect(flushed).toBe(0);
    vi.advanceTimersByTime(0);
    expect(flushed).toBe(1);
  });

  it('gathers what comes within the gap', () => {
    let flushed = 0;
    const pace = new Pace({ gapMs: 30, flush: () => flushed++ });
    pace.request();
    vi.advanceTimersByTime(0);
    pace.request();
    vi.advanceTimersByTime(20);
    pace.request();
    vi.advanceTimersByTime(9);
    expect(flushed).toBe(1);
    vi.advanceTimersByTime(1);
    expect(flushed).toBe(2);
    vi.advanceTimersByTime(60_000);
    expect(flushed).toBe(2);
  });
});
