import { LRUCache } from 'lru-cache';
import type { LogPage, LogQuery, MessageLog } from './ports.js';

/** Members of a group that were cut off together ask for the same within this time; it is no older than a slow read. */
const KEPT_MS = 1_000;
const MAX_BYTES = 32 * 1024 * 1024;
const MESSAGE_BYTES = 256;

const keyOf = ({ conversationId, afterSeq, beforeSeq, limit }: LogQuery): string =>
  `${conversationId} ${String(afterSeq)} ${String(beforeSeq)} ${String(limit)}`;

const sizeOf = ({ messages }: LogPage): number =>
  messages.reduce((sum, { envelope }) => sum + envelope.length + MESSAGE_BYTES, MESSAGE_BYTES);

/**
 * Reads each range once for all syncs that want it at about the same time. Only for ranges below a head that was stored:
 * what is there stays, or becomes `gone` a moment later.
 */
export class SharedReads {
  readonly #log: Pick<MessageLog, 'read'>;
  readonly #reading = new Map<string, Promise<LogPage>>();
  readonly #kept = new LRUCache<string, LogPage>({ maxSize: MAX_BYTES, sizeCalculation: sizeOf, ttl: KEPT_MS });

  constructor(log: Pick<MessageLog, 'read'>) {
    this.#log = log;
  }

  read(query: LogQuery): Promise<LogPage> {
    const key = keyOf(query);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return Promise.resolve(kept);
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = this.#read(key, query).finally(() => {
      this.#reading.delete(key);
    });
    this.#reading.set(key, reading);
    return reading;
  }

  async #read(key: string, query: LogQuery): Promise<LogPage> {
    const page = await this.#log.read(query);
    // A replica that does not see the range yet is asked again.
    const covered = page.more || page.coveredToSeq >= query.beforeSeq - 1;
    if (covered && page.coveredToSeq >= page.coveredFromSeq) this.#kept.set(key, page);
    return page;
  }
}
