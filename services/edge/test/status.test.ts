import { rpcLinkUp } from '@godwit/telemetry/catalogue/libs';
import { edgeFrames, edgeRefusals, edgeSendSeconds, edgeSockets } from '@godwit/telemetry/catalogue/services';
import { createMetrics } from '@godwit/telemetry/metrics';
import { expect, it } from 'vitest';
import { renderStatus } from '../src/status/render.js';
import { takeSample } from '../src/status/samples.js';
import { statusOf } from '../src/status/status.js';

it('says how the edge is, from two looks at its metrics', async () => {
  const metrics = createMetrics({ service: 'edge', node: 'edge-0' });
  metrics.observe(edgeSockets, () => 3);
  const sends = metrics.histogram(edgeSendSeconds);
  for (let i = 0; i < 50; i++) sends.observe(9);
  metrics.counter(edgeFrames).labels({ kind: 'send' }).inc(50);
  metrics.gauge(rpcLinkUp).labels({ method: '/Link', peer: 'router-1' }).set(0);
  metrics.gauge(rpcLinkUp).labels({ method: '/Link', peer: 'router-0' }).set(1);
  const older = await takeSample(metrics, 1_000);
  for (let i = 0; i < 100; i++) sends.observe(i < 98 ? 0.004 : 0.2);
  metrics.counter(edgeFrames).labels({ kind: 'send' }).inc(100);
  metrics.counter(edgeRefusals).labels({ reason: '<OVERLOADED>' }).inc(5);
  const newer = await takeSample(metrics, 11_000);
  const status = statusOf({
    node: 'edge-0',
    build: { version: '1.2.3', revision: 'abc' },
    ready: 'no router',
    older,
    newer,
  });
  expect(status).toMatchObject({
    sinceSeconds: 10,
    sockets: 3,
    sends: { acked: 10, p50Ms: 5, p99Ms: 250 },
    frames: { send: 10 },
    refusals: { '<OVERLOADED>': 0.5 },
    syncP99Ms: null,
    links: [
      { peer: 'router-1', up: false },
      { peer: 'router-0', up: true },
    ],
  });
  expect(status.process.memoryBytes).toBeGreaterThan(1_000_000);
  const page = renderStatus(status);
  expect(page).toContain('not ready: no router');
  expect(page).toContain('1 up, 1 down');
  expect(page).toContain('1.2.3');
  expect(page).not.toContain('<OVERLOADED>');
});
