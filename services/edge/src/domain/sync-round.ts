import type { OutboundFrame } from './outbound-frame.js';
import type { LiveQueue } from './live-queue.js';
import { SyncCredit } from './sync-credit.js';

export interface Cursor {
  readonly conversationId: string;
  readonly seq: number;
}

/** What a router says in a sync, with the frame that tells the device. */
export type SyncEvent =
  | { readonly kind: 'message'; readonly conversationId: string; readonly seq: number; readonly frame: OutboundFrame }
  /** Everything up to `seq` counts as seen: a position, or the end of a range that is gone. */
  | { readonly kind: 'covered'; readonly conversationId: string; readonly seq: number; readonly frame: OutboundFrame }
  | { readonly kind: 'mark'; readonly frame: OutboundFrame }
  | { readonly kind: 'done'; readonly serverTimeMs: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

/** Where the device stood when it said `hello`. */
export interface SyncStart {
  readonly cursors: readonly Cursor[];
  readonly marksSinceMs: number;
}

/** A question to the log on behalf of one socket, from its opening to its answer, over one router or several. */
export class SyncRound {
  /** Live deliveries wait in it until the first sync is complete; a recheck of a live socket has none. */
  readonly queue: LiveQueue | undefined;
  readonly start: SyncStart;
  credit = new SyncCredit();
  syncId = 0;
  /** The router that was asked; empty while none can be reached. */
  node = '';
  /** Answers so far. */
  answers = 0;
  /** How often it had to be asked anew, because a router was lost or silent. */
  restarts = 0;
  /** Monotonic ms. */
  startedAt = 0;
  /** Monotonic ms of the opening or the last event. */
  heardAt = 0;
  /** Events that wait until the socket has room. */
  held: SyncEvent[] = [];

  constructor(start: SyncStart, queue: LiveQueue | undefined) {
    this.start = start;
    this.queue = queue;
  }

  get isFirst(): boolean {
    return this.queue !== undefined;
  }
}
