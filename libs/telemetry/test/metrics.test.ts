import { describe, expect, it } from 'vitest';
import * as catalogue from '../src/catalogue.js';
import { createMetrics } from '../src/metrics.js';
import { timed } from '../src/timed.js';

const declarations = Object.values(catalogue).filter(
  (value): value is typeof catalogue.rpcServerSeconds => !Array.isArray(value) && 'type' in value,
);

describe('the catalogue', () => {
  it('names every metric once, in the way of Prometheus', () => {
    const names = declarations.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, help } of declarations as { name: string; type: string; help: string }[]) {
      expect(name).toMatch(/^godwit_[a-z0-9_]+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(help.length).toBeGreaterThan(10);
    }
  });

  it('has no label that grows with users', () => {
    for (const { name, labels } of declarations as { name: string; labels: readonly string[] }[]) {
      for (const label of labels) expect(label, name).not.toMatch(/user|device|conversation|message|phone|token|ip$/i);
    }
  });
});

describe('createMetrics', () => {
  it('makes a metric once, in a registry of its own', async () => {
    const one = createMetrics({ service: 'edge', node: 'edge-0', processMetrics: false });
    const other = createMetrics({ service: 'edge', node: 'edge-1', processMetrics: false });
    expect(one.counter(catalogue.queueRefusals)).toBe(one.counter(catalogue.queueRefusals));
    one.counter(catalogue.queueRefusals).inc({ queue: 'sends' }, 2);
    other.gauge(catalogue.busConnected).set(1);
    expect(await one.registry.metrics()).toMatch(/godwit_queue_refusals_total\{.*queue="sends".*\} 2/);
    expect(await one.registry.metrics()).toContain('node="edge-0"');
    expect(await other.registry.metrics()).not.toContain('queue_refusals');
  });
});

describe('timed', () => {
  it('observes results and errors under their labels', async () => {
    const metrics = createMetrics({ service: 'x', node: 'x-0', processMetrics: false });
    const histogram = metrics.histogram(catalogue.rpcClientSeconds);
    const labels = (error: unknown) => ({ method: 'm', code: error === undefined ? 'OK' : 'INTERNAL' });
    expect(await timed(histogram, labels, async () => 7)).toBe(7);
    await expect(timed(histogram, labels, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/_count\{.*code="OK".*\} 1/);
    expect(text).toMatch(/_count\{.*code="INTERNAL".*\} 1/);
  });
});
