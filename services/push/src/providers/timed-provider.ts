import { pushSeconds } from '@godwit/telemetry/catalogue/services';
import type { Metrics } from '@godwit/telemetry/metrics';
import { within } from '@godwit/runtime/deferred';
import type { ProviderName, SendResult } from '../domain/model.js';
import type { PushProvider } from '../domain/ports.js';

/** A provider that takes longer is asked again later. */
const SEND_MS = 10_000;

/** Bounds and measures what a provider does. */
export const timeProvider = (name: ProviderName, provider: PushProvider, metrics: Metrics): PushProvider => {
  const seconds = metrics.histogram(pushSeconds);
  const observe = (outcome: SendResult['kind'] | 'failed', startedAt: number): void => {
    seconds.labels({ provider: name, outcome }).observe((performance.now() - startedAt) / 1_000);
  };
  return {
    send: async (push) => {
      const startedAt = performance.now();
      try {
        const late = (): SendResult => ({ kind: 'try_later', detail: 'no answer in time' });
        const result = await within(provider.send(push), SEND_MS, late);
        observe(result.kind, startedAt);
        return result;
      } catch (error) {
        observe('failed', startedAt);
        throw error;
      }
    },
  };
};
