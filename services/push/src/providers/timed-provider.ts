import { pushSeconds } from '@godwit/telemetry/catalogue';
import type { Metrics } from '@godwit/telemetry/metrics';
import { timed } from '@godwit/telemetry/timed';
import { within } from '@godwit/runtime/deferred';
import type { ProviderName } from '../domain/model.js';
import type { PushProvider } from '../domain/ports.js';

/** A provider that takes longer is asked again later. */
const SEND_MS = 10_000;

/** Bounds and measures what a provider does. */
export const timeProvider = (name: ProviderName, provider: PushProvider, metrics: Metrics): PushProvider => ({
  send: (push) =>
    timed(
      metrics.histogram(pushSeconds),
      () => ({ provider: name }),
      () => within(provider.send(push), SEND_MS, () => ({ kind: 'try_later' as const, detail: 'no answer in time' })),
    ),
});
