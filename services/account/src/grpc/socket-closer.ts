import type { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodePool } from '@godwit/rpc/node-pool';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import type { SocketCloser } from '../domain/ports.js';

export interface SocketCloserOptions {
  readonly sessions: Pick<NodePool<typeof SessionServiceService>, 'callOwner'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** How long trying is worth it: after this the device's access token has ended anyway. */
  readonly giveUpAfterMs: number;
}

const FIRST_MS = 1_500;
const RETRY_MS = 3_000;
const RETRY = { minMs: 500, maxMs: 15_000 };
/** Devices whose sockets wait to be closed at a time. */
const MAX_WAITING = 10_000;

/**
 * Has the owning session replica close sockets. Waits for the first attempt, so that a revocation normally has taken
 * effect when its call returns; if it fails, goes on in the background.
 */
export const createSocketCloser = ({ sessions, logger, signal, giveUpAfterMs }: SocketCloserOptions): SocketCloser => {
  let waiting = 0;

  const attempt = async (userId: string, deviceIds: readonly string[], deadlineMs: number): Promise<boolean> => {
    try {
      const request = { userId, deviceIds: [...deviceIds] };
      await sessions.callOwner('closeDevices', request, { key: userId, deadlineMs, idempotent: true });
      return true;
    } catch (error) {
      logger.warn({ err: error, userId }, 'sockets of revoked devices are not closed yet');
      return false;
    }
  };

  const keepTrying = async (userId: string, deviceIds: readonly string[]): Promise<void> => {
    const endsAt = performance.now() + giveUpAfterMs;
    for (let round = 0; performance.now() < endsAt; round++) {
      if (!(await sleep(fullJitter(RETRY, round), signal))) return;
      if (await attempt(userId, deviceIds, RETRY_MS)) return;
    }
  };

  return {
    close: async (userId, deviceIds) => {
      if ((await attempt(userId, deviceIds, FIRST_MS)) || waiting >= MAX_WAITING) return;
      waiting++;
      void keepTrying(userId, deviceIds).finally(() => {
        waiting--;
      });
    },
  };
};
