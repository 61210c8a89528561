import { sleep } from '@godwit/runtime/backoff';
import type { Clock } from '@godwit/runtime/clock';
import { every } from '@godwit/runtime/every';
import type { DeadEdges } from './domain/dead-edges.js';
import type { OnlineTracker } from './domain/online-tracker.js';
import { RegistryUnavailable } from './domain/ports.js';
import type { PresenceHub } from './domain/presence-hub.js';
import type { EdgeLink } from './grpc/edge-link.js';
import type { EdgeLinks } from './grpc/edge-links.js';

const FLUSH_MS = 100;
const GRACE_TICK_MS = 250;
const SECOND_MS = 1_000;
const CHECK_MS = 2_000;
/** Users written, or read, again between two pauses. */
const SLICE = 500;
const SLICE_PAUSE_MS = 50;

/** Whether the registry has lost something. */
export interface RegistryMarkers {
  markersIntact(): Promise<boolean>;
  setMarkers(): Promise<void>;
}

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly links: EdgeLinks;
  readonly tracker: OnlineTracker;
  readonly hub: PresenceHub;
  readonly deadEdges: DeadEdges;
  readonly registry: RegistryMarkers;
  readonly isBusUp: () => boolean;
  readonly sweepEveryMs: number;
  readonly refreshEveryMs: number;
  /** The registry's entries live three times as long. */
  readonly rewriteEveryMs: number;
  readonly settleMs: number;
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** What a replica does beside answering. Ends by the signal. */
export const startUpkeep = (options: UpkeepOptions): Promise<unknown> => {
  const { links, tracker, deadEdges, signal } = options;
  const onError = (error: unknown): void => {
    // It was counted where it was noticed, and all of this is tried again.
    if (!(error instanceof RegistryUnavailable)) options.onError(error);
  };
  const run = (intervalMs: number, job: () => Promise<void> | void): Promise<void> =>
    every({ intervalMs, job, signal, onError });
  return Promise.all([
    run(FLUSH_MS, () => {
      links.flush();
    }),
    run(GRACE_TICK_MS, () => {
      tracker.tick();
    }),
    run(SECOND_MS, () => {
      links.closeSilent();
    }),
    run(options.sweepEveryMs, () => deadEdges.sweep()),
    run(CHECK_MS, registryCheck(options)),
    run(SECOND_MS, refreshing(options)),
    run(SECOND_MS, () => options.hub.refresh(options.hub.takeNewlyFollowed())),
    run(GRACE_TICK_MS, reconciling(options)),
  ]);
};

/** What is here is written again when the registry has lost it, when writes were missed, and before it expires. */
const registryCheck = ({ tracker, links, deadEdges, registry, rewriteEveryMs, signal }: UpkeepOptions) => {
  let writtenAt = performance.now();
  return async (): Promise<void> => {
    const intact = await registry.markersIntact();
    const missed = tracker.missed;
    if (intact && !missed && performance.now() - writtenAt < rewriteEveryMs) return;
    await registry.setMarkers();
    writtenAt = performance.now();
    let users = 0;
    for (const _user of tracker.rewrite()) {
      if (++users % SLICE === 0 && !(await sleep(SLICE_PAUSE_MS, signal))) return;
    }
    // Who left unnoticed by the registry is still online there.
    if (missed)
      for (const { edge, sockets } of links.all()) await deadEdges.reconcile(edge, (userId) => sockets.has(userId));
  };
};

/** Looks now and then how those are of whom somebody wants to hear, and at once when news were missed for a while. */
const refreshing = ({ hub, isBusUp, refreshEveryMs, signal }: UpkeepOptions) => {
  let refreshedAt = performance.now();
  let wasUp = true;
  return async (): Promise<void> => {
    const isUp = isBusUp();
    const isBack = isUp && !wasUp;
    wasUp = isUp;
    if (!isBack && performance.now() - refreshedAt < refreshEveryMs) return;
    refreshedAt = performance.now();
    let batch: string[] = [];
    for (const userId of hub.followed()) {
      if (batch.push(userId) < SLICE) continue;
      await hub.refresh(batch);
      batch = [];
      if (!(await sleep(SLICE_PAUSE_MS, signal))) return;
    }
    if (batch.length > 0) await hub.refresh(batch);
  };
};

/** A stream that is up for a while has reported all its sockets: whom the registry has beside them is gone. */
const reconciling = ({ clock, links, deadEdges, settleMs }: UpkeepOptions) => {
  const done = new WeakSet<EdgeLink>();
  return async (): Promise<void> => {
    for (const link of links.all()) {
      if (done.has(link) || clock.monotonic() - link.openedAt < settleMs) continue;
      await deadEdges.reconcile(link.edge, (userId) => link.sockets.closed || link.sockets.has(userId));
      done.add(link);
    }
  };
};
