import { redisAvailable, redisNodes, redisSeconds } from '@godwit/telemetry/catalogue/libs';
import type { Metrics } from '@godwit/telemetry/metrics';

/** Told how commands ended that were begun at this moment of `performance.now()`. */
export type RedisObserver = (outcome: 'ok' | 'refused' | 'unavailable', startedAt: number) => void;

interface Watched {
  readonly available: () => boolean;
  readonly nodes: () => number;
}

export const observeRedis = (metrics: Metrics | undefined, { available, nodes }: Watched): RedisObserver => {
  if (metrics === undefined) return () => undefined;
  metrics.observe(redisAvailable, () => (available() ? 1 : 0));
  metrics.observe(redisNodes, nodes);
  const seconds = metrics.histogram(redisSeconds);
  const children = {
    ok: seconds.labels({ outcome: 'ok' }),
    refused: seconds.labels({ outcome: 'refused' }),
    unavailable: seconds.labels({ outcome: 'unavailable' }),
  };
  return (outcome, startedAt) => {
    children[outcome].observe((performance.now() - startedAt) / 1_000);
  };
};
