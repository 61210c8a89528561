import type { Logger } from '@godwit/runtime/logger';
import {
  sessionArchiveFailures,
  sessionEdges,
  sessionEvictions,
  sessionRewrites,
  sessionSessions,
} from '@godwit/telemetry/catalogue/services';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { DirectoryEvents } from './domain/ports.js';
import type { SessionDirectory } from './domain/session-directory.js';
import type { LinkedEdges } from './grpc/edge-links.js';

export const createEvents = (metrics: Metrics, logger: Logger): DirectoryEvents => {
  const evictions = metrics.counter(sessionEvictions);
  const failures = metrics.counter(sessionArchiveFailures);
  return {
    evicted: (reason) => {
      evictions.labels({ reason }).inc();
    },
    archiveFailed: (operation, error) => {
      failures.labels({ operation }).inc();
      logger.debug({ err: error, operation }, 'the archive failed');
    },
    edgeEnded: ({ edgeId, incarnation }) => {
      logger.warn({ edge: edgeId, incarnation }, 'an edge process has ended');
    },
  };
};

export const observeDirectory = (
  metrics: Metrics,
  { directory, links }: { readonly directory: SessionDirectory; readonly links: LinkedEdges },
): void => {
  metrics.observe(sessionSessions, () => directory.sessions);
  metrics.observe(sessionEdges, () => links.size);
};

export const countRewrites = (metrics: Metrics): ((why: 'lost' | 'missed' | 'refresh') => void) => {
  const rewrites = metrics.counter(sessionRewrites);
  return (why) => {
    rewrites.labels({ why }).inc();
  };
};
