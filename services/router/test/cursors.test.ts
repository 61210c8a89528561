import { newId } from '@godwit/ids/id';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Cursors } from '../src/domain/cursors.js';
import type { CursorRaise } from '../src/domain/ports.js';

const raiseOf = (deviceId: string, deliveredSeq: number): CursorRaise => ({
  conversationId: 'g:crowd',
  userId: 'user',
  deviceId,
  deliveredSeq,
  readSeq: 0,
});

const held = (hold?: { minMs: number; maxMs: number }) => {
  const written: CursorRaise[][] = [];
  const cursors = new Cursors({
    log: {
      raiseCursors: async (raises) => {
        written.push([...raises]);
        return { moves: [], aboveHead: [], failed: [] };
      },
    },
    intervalMs: 50,
    maxCursors: 1_000,
    onMoves: () => undefined,
    onAboveHead: () => undefined,
    onDropped: () => undefined,
    ...(hold === undefined
      ? {}
      : { hold: { ...hold, clock: { now: () => Date.now(), monotonic: () => performance.now() } } }),
  });
  return { cursors, written };
};

describe('Cursors', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('merges the acks of a device within the interval', async () => {
    const { cursors, written } = held();
    const device = newId();
    for (const seq of [3, 1, 2]) cursors.raise(raiseOf(device, seq));
    await vi.advanceTimersByTimeAsync(60);
    expect(written).toEqual([[raiseOf(device, 3)]]);
  });

  it('holds those of a crowd, writes them bit by bit, and each within its time', async () => {
    const { cursors, written } = held({ minMs: 2_000, maxMs: 4_000 });
    const devices = Array.from({ length: 200 }, newId);
    for (const seq of [1, 2]) for (const device of devices) cursors.raise(raiseOf(device, seq));
    await vi.advanceTimersByTimeAsync(1_900);
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_200);
    expect(written.length).toBeGreaterThan(5);
    expect(
      written
        .flat()
        .map(({ deviceId }) => deviceId)
        .sort(),
    ).toEqual([...devices].sort());
    expect(written.flat().every(({ deliveredSeq }) => deliveredSeq === 2)).toBe(true);
  });

  it('writes everything when it stops', async () => {
    const { cursors, written } = held({ minMs: 2_000, maxMs: 4_000 });
    cursors.raise(raiseOf(newId(), 1));
    await cursors.stop();
    expect(written.flat()).toHaveLength(1);
  });
});
