import { describe, expect, it } from 'vitest';
import { LoopLag } from '../src/loop-lag.js';

const looked = (...afterMs: readonly number[]): boolean => {
  let time = 0;
  const lag = new LoopLag({ now: () => time, everyMs: 50, targetMs: 100, looks: 3 });
  lag.start();
  lag.stop();
  for (const ms of afterMs) {
    time += ms;
    lag.look();
  }
  return lag.isBehind;
};

describe('LoopLag', () => {
  it('is behind when several looks in a row came late', () => {
    expect(looked(151, 160, 400)).toBe(true);
  });

  it('is not by one long turn, nor any more after a look in time', () => {
    expect(looked(50, 2_000, 50)).toBe(false);
    expect(looked(400, 400)).toBe(false);
    expect(looked(400, 400, 400, 60)).toBe(false);
  });
});
