import { Coalescer } from '@godwit/runtime/coalescer';
import type { Logger } from '@godwit/runtime/logger';
import type { Connection } from '../domain/connection.js';
import type { Cursor } from '../domain/sync-round.js';
import type { RouterLinks } from './router-links.js';

interface Marks {
  readonly conversationId: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly handle: number;
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

export interface CursorOptions {
  readonly routers: RouterLinks;
  readonly logger: Logger;
  readonly mergeMs: number;
  readonly maxMarks: number;
}

const merge = (older: Marks, newer: Marks): Marks => ({
  ...newer,
  deliveredSeq: Math.max(older.deliveredSeq, newer.deliveredSeq),
  readSeq: Math.max(older.readSeq, newer.readSeq),
});

/** For how long a router has to live on for what it was told to have gone further. */
const REMEMBER_MS = 5_000;

/**
 * What devices have and what users have read, merged for a moment, on the way to the routers of the conversations. Marks
 * only move forward, so sending one twice is harmless; those a router was told just before it was lost are told again.
 */
export class Cursors {
  readonly #options: CursorOptions;
  readonly #waiting: Coalescer<string, Marks>;
  // By router: what it was told in this half of the time, and in the half before.
  readonly #told = new Map<string, [Map<string, Marks>, Map<string, Marks>]>();
  readonly #turning: NodeJS.Timeout;

  constructor(options: CursorOptions) {
    this.#options = options;
    this.#waiting = new Coalescer<string, Marks>({
      intervalMs: options.mergeMs,
      maxKeys: options.maxMarks,
      merge,
      flush: (entries) => {
        this.#flush(entries);
      },
      onError: (error) => {
        options.logger.error({ err: error }, 'cursors could not be sent');
      },
    });
    this.#turning = setInterval(() => {
      for (const [node, [current]] of this.#told) this.#told.set(node, [new Map<string, Marks>(), current]);
    }, REMEMBER_MS);
  }

  /** The device has everything up to here. False: no room now. */
  delivered(connection: Connection, { conversationId, seq }: Cursor): boolean {
    return this.#add(connection, { conversationId, deliveredSeq: seq, readSeq: 0 });
  }

  /** The user has read everything up to here. False: no room now. */
  read(connection: Connection, { conversationId, seq }: Cursor): boolean {
    return this.#add(connection, { conversationId, deliveredSeq: 0, readSeq: seq });
  }

  onNodeDown(node: string): void {
    const [current, previous] = this.#told.get(node) ?? [];
    this.#told.delete(node);
    for (const told of [previous, current]) {
      for (const [key, marks] of told ?? []) this.#waiting.set(key, marks);
    }
  }

  async flush(): Promise<void> {
    await this.#waiting.flush();
  }

  async stop(): Promise<void> {
    clearInterval(this.#turning);
    await this.#waiting.stop();
  }

  #add(
    { userId, deviceId, handle }: Connection,
    marks: Pick<Marks, 'conversationId' | 'deliveredSeq' | 'readSeq'>,
  ): boolean {
    return this.#waiting.set(`${marks.conversationId}|${deviceId}`, { ...marks, userId, deviceId, handle });
  }

  #flush(entries: Map<string, Marks>): void {
    for (const [key, marks] of entries) {
      const node = this.#options.routers.pick(marks.conversationId);
      const sent = node !== undefined && this.#options.routers.offerLater(node, { kind: 'cursor', item: marks });
      if (sent) this.#remember(node, key, marks);
      else this.#waiting.set(key, marks);
    }
  }

  #remember(node: string, key: string, marks: Marks): void {
    const told = this.#told.get(node);
    if (told === undefined) {
      this.#told.set(node, [new Map([[key, marks]]), new Map<string, Marks>()]);
      return;
    }
    if (told[0].size < this.#options.maxMarks) told[0].set(key, marks);
  }
}
