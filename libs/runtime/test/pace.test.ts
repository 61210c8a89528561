import { setImmediate as turn } from 'node:timers/promises';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';
import { Pace } from '../src/pace.js';

describe('Pace', () => {
  it('flushes once for a turn, and does not hold back what is alone', async () => {
    let flushed = 0;
    const pace = new Pace({ gapMs: 60_000, flush: () => flushed++ });
    pace.request();
    pace.request();
    expect(flushed).toBe(0);
    await turn();
    expect(flushed).toBe(1);
  });

  it('gathers what comes within the gap', async () => {
    const at: number[] = [];
    const startedAt = performance.now();
    const pace = new Pace({ gapMs: 30, flush: () => at.push(performance.now()) });
    pace.request();
    await turn();
    pace.request();
    await turn();
    pace.request();
    expect(at).toHaveLength(1);
    await waitFor(() => at.length === 2);
    // A timer may round down to the millisecond.
    expect((at[1] ?? 0) - startedAt).toBeGreaterThanOrEqual(29);
    await turn();
    expect(at).toHaveLength(2);
  });
});
