import { describe, expect, it } from 'vitest';
import { JobsInHand } from '../src/jobs-in-hand.js';

const settled = async (promise: Promise<void>): Promise<boolean> => {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return done;
};

describe('jobs in hand', () => {
  it('have room up to their number, and again when one is done', async () => {
    const jobs = new JobsInHand(2);
    jobs.take();
    expect(await settled(jobs.room())).toBe(true);
    jobs.take();
    const room = jobs.room();
    expect(await settled(room)).toBe(false);
    jobs.finish();
    expect(await settled(room)).toBe(true);
  });

  it('are done when the last one is', async () => {
    const jobs = new JobsInHand(10);
    expect(await settled(jobs.done())).toBe(true);
    jobs.take();
    jobs.take();
    const done = jobs.done();
    jobs.finish();
    expect(await settled(done)).toBe(false);
    jobs.finish();
    expect(await settled(done)).toBe(true);
  });
});
