import { sleep } from '@godwit/runtime/backoff';
import type { Connection } from '../domain/connection.js';
import type { Connections } from '../domain/connections.js';
import { CloseCode } from '../domain/socket.js';
import { reply } from './replies.js';

export interface DrainOptions {
  readonly connections: Connections;
  /** Over this time the sockets leave, evenly. */
  readonly windowMs: number;
  /** Aborted when there is no time any more. */
  readonly hurry: AbortSignal;
}

const TICK_MS = 50;
/** A client that was told to come back after its delay has this much longer to go by itself. */
const GRACE_MS = 500;

/** Sends all sockets elsewhere, spread out, and returns when they have gone or the time is up. */
export const drain = async ({ connections, windowMs, hurry }: DrainOptions): Promise<void> => {
  const leaving = announce([...connections.all()], windowMs);
  const startedAt = performance.now();
  let next = 0;
  while (connections.size > 0 && !hurry.aborted) {
    const elapsed = performance.now() - startedAt;
    if (elapsed >= windowMs + GRACE_MS) break;
    for (let due = leaving[next]; due !== undefined && due.delayMs + GRACE_MS <= elapsed; due = leaving[++next]) {
      due.connection.close(CloseCode.goingAway, 'the edge is stopping');
    }
    await sleep(TICK_MS, hurry);
  }
  for (const connection of [...connections.all()]) connection.close(CloseCode.goingAway, 'the edge is stopping');
};

const announce = (
  connections: readonly Connection[],
  windowMs: number,
): { readonly connection: Connection; readonly delayMs: number }[] => {
  const share = windowMs / Math.max(connections.length, 1);
  return connections.map((connection, index) => {
    // Never 0, which a client may read as "whenever you like".
    const delayMs = Math.max(1, Math.round((index + Math.random()) * share));
    reply(connection, 0, { $case: 'reconnect', value: { delayMs, edge: '' } });
    return { connection, delayMs };
  });
};
