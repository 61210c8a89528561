import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import * as libs from '../src/catalogue/libs.js';
import * as services from '../src/catalogue/services.js';
import { counter } from '../src/declare.js';
import { createMetrics, type AnyDeclaration } from '../src/metrics.js';

const catalogue = { ...libs, ...services };
const declarations: readonly AnyDeclaration[] = Object.values(catalogue);

const metricsOf = (node = 'edge-0') => createMetrics({ service: 'edge', node, processMetrics: false });

const sourcesIn = (root: string, folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('gen'))
    .map((file) => path.join(folder, file));

describe('the catalogue', () => {
  it('names every metric once, in the way of Prometheus', () => {
    const names = declarations.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, help } of declarations) {
      expect(name).toMatch(/^godwit_(process|rpc|batch|bus|mongo|redis|[a-z]+)_[a-z0-9_]+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(help.length).toBeGreaterThan(10);
    }
  });

  it('has no label that grows with users, and no series without a bound', () => {
    for (const { name, labels } of declarations) {
      let series = 1;
      for (const [label, values] of Object.entries(labels)) {
        expect(label, name).not.toMatch(/user|device|conversation|message|phone|token|ip$/i);
        series *= 'atMost' in values ? values.atMost : values.length;
      }
      // The largest: calls by method and code; peers of a large fleet.
      expect(series, name).toBeLessThanOrEqual(128_000);
    }
  });

  it('is the only place of the fleet where metrics are made', () => {
    const root = path.resolve(import.meta.dirname, '../../..');
    const sources = ['libs', 'services'].flatMap((folder) =>
      readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? sourcesIn(root, path.join(folder, entry.name, 'src')) : [],
      ),
    );
    expect(sources.length).toBeGreaterThan(200);
    const importing = sources.filter((file) => readFileSync(path.join(root, file), 'utf8').includes("'prom-client'"));
    expect(importing).toEqual(['libs/telemetry/src/metrics.ts']);
    const declaring = sources.filter((file) =>
      /telemetry\/declare'|\/declare\.js'/.test(readFileSync(path.join(root, file), 'utf8')),
    );
    expect(declaring.sort()).toEqual([
      'libs/telemetry/src/catalogue/libs.ts',
      'libs/telemetry/src/catalogue/services.ts',
    ]);
  });
});

describe('createMetrics', () => {
  it('makes a metric once, in a registry of its own', async () => {
    const one = metricsOf();
    const other = metricsOf('edge-1');
    expect(one.counter(catalogue.routerDropped)).toBe(one.counter(catalogue.routerDropped));
    one.counter(catalogue.routerDropped).labels({ queue: 'wakes' }).inc(2);
    one.counter(catalogue.routerDropped).labels({ queue: 'wakes' }).inc();
    other.gauge(catalogue.busConnected).set(1);
    expect(await one.registry.metrics()).toMatch(/godwit_router_dropped_total\{.*queue="wakes".*\} 3/);
    expect(await one.registry.metrics()).toContain('node="edge-0"');
    expect(await other.registry.metrics()).not.toContain('router_dropped');
  });

  it('refuses a second declaration of a name', () => {
    const metrics = metricsOf();
    metrics.counter(catalogue.storeHoles);
    const again = counter({ name: catalogue.storeHoles.name, help: 'another with its name', labels: {} });
    expect(() => metrics.counter(again)).toThrow('declared twice');
  });

  it('shows a child with 0 from the moment it is asked for', async () => {
    const metrics = metricsOf();
    metrics.counter(catalogue.storeHoles);
    metrics.counter(catalogue.busConsumed).labels({ stream: 'PUSH', outcome: 'term' });
    metrics.histogram(catalogue.busStoreSeconds).labels({ stream: 'PUSH', outcome: 'stored' });
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/^godwit_store_log_holes_total\{[^}]*\} 0$/m);
    expect(text).toMatch(/^godwit_bus_consumed_total\{.*outcome="term".*\} 0$/m);
    expect(text).toMatch(/^godwit_bus_store_seconds_count\{.*outcome="stored".*\} 0$/m);
  });

  it('reads gauges when it is scraped', async () => {
    const metrics = metricsOf();
    let open = 1;
    metrics.observe(catalogue.edgeSockets, () => open);
    metrics.observeEach(catalogue.mongoConnections, [{ labels: { state: 'open' }, read: () => open * 10 }]);
    open = 7;
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/godwit_edge_sockets\{[^}]*\} 7/);
    expect(text).toMatch(/godwit_mongo_connections\{.*state="open".*\} 70/);
  });
});

describe('labels', () => {
  it('take no value that is not listed, at compile time', () => {
    const drops = metricsOf().counter(catalogue.routerDropped);
    // @ts-expect-error: not a queue
    drops.labels({ queue: 'socks' });
  });

  it('make one series of all that is not listed, whoever gets past the compiler', async () => {
    const metrics = metricsOf();
    const drops = metrics.counter(catalogue.routerDropped);
    for (let i = 0; i < 100; i++) drops.labels({ queue: `user-${String(i)}` as 'wakes' }).inc();
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/godwit_router_dropped_total\{.*queue="other".*\} 100/);
    expect(text.match(/^godwit_router_dropped_total\{/gm)).toHaveLength(1);
  });

  it('make no more series of an open set than it may have', async () => {
    const metrics = metricsOf();
    const { atMost } = catalogue.edgeFrames.labels.kind;
    const frames = metrics.counter(catalogue.edgeFrames);
    for (let i = 0; i < 1_000; i++) frames.labels({ kind: `kind-${String(i)}` }).inc();
    frames.labels({ kind: 'kind-0' }).inc();
    const text = await metrics.registry.metrics();
    expect(text.match(/^godwit_edge_frames_total\{/gm)).toHaveLength(atMost + 1);
    expect(text).toMatch(/kind="kind-0".*\} 2$/m);
    expect(text).toMatch(new RegExp(`kind="other".*\\} ${String(1_000 - atMost)}$`, 'm'));
  });
});
