import { afterEach, describe, expect, it } from 'vitest';
import { isFault, isSampled, isTracing, startSpan, traceWith } from '../src/spans.js';

afterEach(() => {
  traceWith(undefined);
});

describe('tracing', () => {
  it('is off until it is switched on, and then nothing is made', () => {
    expect(isTracing()).toBe(false);
    expect(startSpan('edge.send', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')).toBeUndefined();
  });

  it('asks whoever makes the spans', () => {
    const asked: string[] = [];
    traceWith((name, parent) => {
      asked.push(`${name} below ${parent}`);
      return undefined;
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
