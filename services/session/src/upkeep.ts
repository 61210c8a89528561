import { sleep } from '@godwit/runtime/backoff';
import { every } from '@godwit/runtime/every';
import { ArchiveUnavailable, type ArchiveUpkeep } from './domain/ports.js';
import type { SessionDirectory } from './domain/session-directory.js';

const TOLD_MS = 1_000;
const TICK_MS = 1_000;
/** Users put to be written again between two looks at the clock. */
const REWRITE_SLICE = 200;

export interface UpkeepOptions {
  readonly directory: SessionDirectory;
  readonly archive: ArchiveUpkeep;
  readonly checkEveryMs: number;
  readonly refreshEveryMs: number;
  readonly rewritesPerSecond: number;
  readonly signal: AbortSignal;
  readonly onRewrite: (why: 'lost' | 'missed' | 'refresh') => void;
  readonly onError: (error: unknown) => void;
}

/** What a replica does beside answering: leases, the archive's health, what other replicas tell. Ends by the signal. */
export const startUpkeep = (options: UpkeepOptions): Promise<unknown> => {
  const { directory, archive, checkEveryMs, signal } = options;
  const onError = (error: unknown): void => {
    // An archive that is away was counted where it was noticed, and is tried again next time.
    if (!(error instanceof ArchiveUnavailable)) options.onError(error);
  };
  const tick = async (): Promise<void> => {
    await directory.tick();
    for (const _slice of directory.sweep()) await sleep(0, signal);
  };
  const takeTold = async (): Promise<void> => {
    for (;;) {
      const notices = await archive.takeTold();
      if (notices.length === 0) return;
      await directory.reconcile(notices);
    }
  };
  return Promise.all([
    every({ intervalMs: TICK_MS, job: tick, signal, onError }),
    every({ intervalMs: TOLD_MS, job: takeTold, signal, onError }),
    every({ intervalMs: checkEveryMs, job: archiveCheck(options), signal, onError }),
  ]);
};

/** Everything is written again when the archive has lost it, when writes were missed, and before it expires. */
const archiveCheck = (options: UpkeepOptions): (() => Promise<void>) => {
  const { directory, archive, refreshEveryMs, onRewrite } = options;
  let writtenAt = performance.now();
  return async () => {
    const intact = await archive.markersIntact();
    const due = performance.now() - writtenAt >= refreshEveryMs;
    if (intact && !directory.archiveIncomplete && !due) return;
    // Markers first: what is lost while we write is then noticed at the next check.
    await archive.setMarkers();
    if (directory.sessions > 0) onRewrite(!intact ? 'lost' : directory.archiveIncomplete ? 'missed' : 'refresh');
    await rewriteAll(options);
    writtenAt = performance.now();
  };
};

const rewriteAll = async ({ directory, rewritesPerSecond, signal }: UpkeepOptions): Promise<void> => {
  const pauseMs = (REWRITE_SLICE / rewritesPerSecond) * 1_000;
  let users = 0;
  for (const _user of directory.rewrite()) {
    if (++users % REWRITE_SLICE !== 0) continue;
    if (!(await sleep(pauseMs, signal))) return;
    // Nothing is gained by going on when it doesn't arrive; the next check begins again.
    if (directory.archiveIncomplete) return;
  }
  await directory.flush();
};
