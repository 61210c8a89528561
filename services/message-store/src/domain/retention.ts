/** How long a conversation keeps its messages. */
export interface Retention {
  /** 0: transient, a message goes when all devices have it. Above: days that messages are kept whoever has them. */
  readonly historyDays: number;
  /** When an undelivered message is given up; 0: the default. */
  readonly expireAfterSeconds: number;
}

export const DAY_MS = 86_400_000;
export const DEFAULT_EXPIRY_MS = 30 * DAY_MS;
/** A tombstone recognises late retries this long; the SDK gives up by itself after 6 days. */
export const TOMBSTONE_MS = 7 * DAY_MS;
/** Above so many members payloads live until they expire: knowing who has what would cost more than keeping it. */
export const MAX_TRACKED_MEMBERS = 256;

export const TRANSIENT: Retention = { historyDays: 0, expireAfterSeconds: 0 };

/** How long after it was stored a message expires whose sender didn't say. */
export const lifetimeMs = ({ historyDays, expireAfterSeconds }: Retention): number => {
  const expiry = expireAfterSeconds > 0 ? expireAfterSeconds * 1_000 : DEFAULT_EXPIRY_MS;
  return Math.max(expiry, historyDays * DAY_MS);
};
