import { describe, expect, it } from 'vitest';
import { deferred } from '../src/deferred.js';
import { Lifecycle } from '../src/lifecycle.js';
import { silentLogger } from '../src/logger.js';

describe('Lifecycle', () => {
  it('stops in the order of the phases, last registered first, once', async () => {
    const life = new Lifecycle({ logger: silentLogger });
    const order: string[] = [];
    const step = (name: string) => async (): Promise<void> => {
      await Promise.resolve();
      order.push(name);
    };
    life.onStop('close', 'mongo', step('mongo'));
    life.onStop('close', 'batcher', step('batcher'));
    life.onStop('drain', 'grpc', step('grpc'));
    life.onStop('unready', 'health', step('health'));
    life.onStop('stop-accepting', 'listener', step('listener'));
    expect(life.signal.aborted).toBe(false);
    const stopping = life.stop();
    expect(life.signal.aborted).toBe(true);
    expect(await stopping).toBe(true);
    await life.stop();
    expect(order).toEqual(['health', 'listener', 'grpc', 'batcher', 'mongo']);
  });

  it('goes on after a step that fails or hangs, and says that it was not clean', async () => {
    const life = new Lifecycle({ logger: silentLogger, deadlineMs: 30 });
    const order: string[] = [];
    life.onStop('unready', 'throws', () => {
      throw new Error('no');
    });
    life.onStop('drain', 'hangs', () => deferred<undefined>().promise);
    life.onStop('close', 'runs', () => {
      order.push('runs');
    });
    expect(await life.stop()).toBe(false);
    expect(order).toEqual(['runs']);
  });

  it('runs what is registered too late at once', async () => {
    const life = new Lifecycle({ logger: silentLogger });
    const order: string[] = [];
    life.onStop('drain', 'starter', () => {
      life.onStop('close', 'late', () => {
        order.push('late');
      });
    });
    expect(await life.stop()).toBe(true);
    expect(order).toEqual(['late']);
  });

  it('tells of a failure', async () => {
    const life = new Lifecycle({ logger: silentLogger });
    life.fail(new Error('claimed'));
    expect(await life.failure).toEqual(new Error('claimed'));
  });
});
