import { describe, expect, it } from 'vitest';
import { ProcessWatch, type ProcessRow } from '../src/domain/process-watch.js';

const row = (beat: number, fields: Partial<ProcessRow> = {}): ProcessRow => ({
  incarnation: 'peer',
  node: 'message-store-1',
  beat,
  claimedBy: undefined,
  claimBeat: 0,
  ...fields,
});

describe('ProcessWatch', () => {
  it('takes a row for dead that stood still for 5 s of looking', () => {
    const watch = new ProcessWatch('self');
    for (let at = 0; at < 5_000; at += 1_000) expect(watch.look([row(7)], at)).toEqual([]);
    expect(watch.look([row(7)], 5_000)).toEqual([row(7)]);
  });

  it('does not while it beats, however slowly', () => {
    const watch = new ProcessWatch('self');
    for (let at = 0; at < 30_000; at += 1_000) expect(watch.look([row(Math.floor(at / 4_000))], at)).toEqual([]);
  });

  it('knows nothing of a time in which it did not look', () => {
    const watch = new ProcessWatch('self');
    watch.look([row(7)], 0);
    // The database was away, or this process was frozen.
    expect(watch.look([row(7)], 20_000)).toEqual([]);
    for (let at = 21_000; at < 25_000; at += 1_000) expect(watch.look([row(7)], at)).toEqual([]);
    expect(watch.look([row(7)], 25_000)).toHaveLength(1);
  });

  it('watches the claimer of a claimed row instead, and leaves its own row alone', () => {
    const watch = new ProcessWatch('self');
    for (let at = 0; at <= 10_000; at += 1_000) {
      const claimed = row(7, { claimedBy: 'other', claimBeat: at });
      expect(watch.look([claimed, row(1, { incarnation: 'self' })], at)).toEqual([]);
    }
    const still = row(7, { claimedBy: 'other', claimBeat: 10_000 });
    for (let at = 11_000; at < 15_000; at += 1_000) watch.look([still], at);
    expect(watch.look([still], 15_000)).toEqual([still]);
  });
});
