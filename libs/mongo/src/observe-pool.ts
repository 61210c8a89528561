import { mongoCheckoutSeconds, mongoConnections, mongoPoolClears } from '@godwit/telemetry/catalogue/libs';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { MongoClient } from 'mongodb';

/** Counts the connections of a client, those at work, and how long operations wait for one. */
export const observePool = (client: MongoClient, metrics: Metrics): void => {
  let open = 0;
  let inUse = 0;
  const waited = metrics.histogram(mongoCheckoutSeconds);
  const ok = waited.labels({ outcome: 'ok' });
  const failed = waited.labels({ outcome: 'failed' });
  const clears = metrics.counter(mongoPoolClears);
  metrics.observeEach(mongoConnections, [
    { labels: { state: 'open' }, read: () => open },
    { labels: { state: 'in_use' }, read: () => inUse },
  ]);
  client.on('connectionReady', () => (open += 1));
  client.on('connectionClosed', () => (open = Math.max(open - 1, 0)));
  client.on('connectionCheckedIn', () => (inUse -= 1));
  client.on('connectionCheckedOut', ({ durationMS }) => {
    inUse += 1;
    ok.observe(durationMS / 1_000);
  });
  client.on('connectionCheckOutFailed', ({ durationMS }) => {
    failed.observe(durationMS / 1_000);
  });
  client.on('connectionPoolCleared', () => {
    clears.inc();
  });
};
