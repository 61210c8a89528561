import type { Logger } from '@godwit/runtime/logger';
import {
  presenceDeadEdges,
  presenceEdges,
  presenceFailures,
  presenceSockets,
  presenceTopics,
  presenceWaiting,
} from '@godwit/telemetry/catalogue/services';
import type { Metrics } from '@godwit/telemetry/metrics';
import type { OnlineTracker } from './domain/online-tracker.js';
import type { EdgeRun } from './domain/presence.js';
import type { PresenceHub } from './domain/presence-hub.js';
import type { EdgeLinks } from './grpc/edge-links.js';

/** What couldn't be used, and was done without. */
export type FailedPart = 'registry' | 'last-seen' | 'read' | 'relations' | 'members' | 'broadcast' | 'notify';

export interface Observed {
  readonly links: EdgeLinks;
  readonly tracker: OnlineTracker;
  readonly hub: PresenceHub;
}

export interface Observer {
  failed(part: FailedPart): (error: unknown) => void;
  edgeDied(this: void, edge: EdgeRun): void;
  observe(observed: Observed): void;
}

export const createObserver = (metrics: Metrics, logger: Logger): Observer => {
  const failures = metrics.counter(presenceFailures);
  const dead = metrics.counter(presenceDeadEdges);
  return {
    failed: (part) => (error) => {
      failures.labels({ part }).inc();
      logger.debug({ err: error, part }, 'presence does without');
    },
    edgeDied: (edge) => {
      dead.inc();
      logger.warn({ edge: edge.edgeId, incarnation: edge.incarnation }, 'an edge has died, its users go offline');
    },
    observe: ({ links, tracker, hub }) => {
      metrics.observe(presenceEdges, () => links.size);
      metrics.observe(presenceSockets, () => tracker.sockets);
      metrics.observe(presenceTopics, () => hub.topics);
      metrics.observe(presenceWaiting, () => [...links.all()].reduce((sum, { outbox }) => sum + outbox.waiting, 0));
    },
  };
};
