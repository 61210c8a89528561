import { afterEach, describe, expect, it } from 'vitest';
import { activeSpan, isFault, isSampled, isTracing, startSpan, traced, traceWith } from '../src/spans.js';

afterEach(() => {
  traceWith(undefined);
});

describe('tracing', () => {
  it('is off until it is switched on, and then nothing is made', () => {
    expect(isTracing()).toBe(false);
    expect(startSpan('edge.send', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')).toBeUndefined();
    expect(activeSpan()).toBeUndefined();
  });

  it('while off does the work all the same', async () => {
    const work = { name: 'x', kind: 'SERVER', parent: '' } as const;
    expect(await traced({ ...work, run: async () => 'done' })).toBe('done');
    const failure = new Error('no');
    await expect(traced({ ...work, run: () => Promise.reject(failure) })).rejects.toBe(failure);
  });

  it('asks whoever makes the spans', () => {
    const asked: string[] = [];
    traceWith({
      start: (name, parent) => {
        asked.push(`${name} below ${parent}`);
        return undefined;
      },
      within: ({ run }) => run(),
      active: () => undefined,
    });
    expect(isTracing()).toBe(true);
    startSpan('router.fan_out', 'x');
    expect(asked).toEqual(['router.fan_out below x']);
  });
});

it('knows the flag of a traceparent', () => {
  expect(isSampled('')).toBe(false);
  expect(isSampled('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00')).toBe(false);
  expect(isSampled('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')).toBe(true);
});

it("tells refusals that are the sender's own fault from those that are ours", () => {
  expect(['UNAVAILABLE', 'OVERLOADED', 'INTERNAL'].every(isFault)).toBe(true);
  expect(['BLOCKED', 'RATE_LIMITED', 'INVALID'].some(isFault)).toBe(false);
});
