import { describe, expect, it } from 'vitest';
import { Sojourn } from '../src/sojourn.js';

const watched = () => {
  let time = 0;
  const sojourn = new Sojourn({ now: () => time, targetMs: 500, windowMs: 100 });
  return {
    sojourn,
    /** So many ms later. */
    after: (ms: number) => {
      time += ms;
      return sojourn;
    },
  };
};

describe('Sojourn', () => {
  it('sees a queue when even the fastest of a window was slow', () => {
    const { sojourn, after } = watched();
    for (const took of [700, 600, 900]) sojourn.record(took);
    expect(after(100).isStanding).toBe(true);
  });

  it('sees none in a burst of which something is fast', () => {
    const { sojourn, after } = watched();
    for (const took of [2_000, 400, 1_500]) sojourn.record(took);
    expect(after(100).isStanding).toBe(false);
  });

  it('is over as soon as something is fast again, or nothing comes through at all', () => {
    const { sojourn, after } = watched();
    sojourn.record(700);
    expect(after(100).isStanding).toBe(true);
    after(10).record(300);
    expect(sojourn.isStanding).toBe(false);
    after(100).record(800);
    expect(after(100).isStanding).toBe(true);
    expect(after(100).isStanding).toBe(false);
  });
});
