import { sameBytes, type AppendItem, type AppendOrigin, type AppendOutcome, type StoredAck } from './message.js';

/** An item in a lane's queue. */
export interface PendingAppend {
  readonly item: AppendItem;
  readonly origin: AppendOrigin;
  /** `idKey` of the item. */
  readonly key: string;
  /** Monotonic milliseconds. */
  readonly queuedAt: number;
}

/** An id of the batch that has no answer yet: the item that stands for it, and others with the same id. */
export interface OpenAppend extends PendingAppend {
  readonly followers: PendingAppend[];
  /** It may be stored already: look before numbering. */
  lookUp: boolean;
}

/** Who retries in a moment is told to wait this long. */
const SHORTLY_MS = 20;

/** What an item hears whose id is stored. */
export const answerStored = ({ item, origin }: PendingAppend, stored: StoredAck, duplicate: boolean): void => {
  const { seq, serverTimeMs, membershipVersion, bodyHash } = stored;
  origin.answer(
    item.requestId,
    sameBytes(bodyHash, item.bodyHash)
      ? { kind: 'appended', seq, serverTimeMs, membershipVersion, duplicate }
      : { kind: 'id-reused', seq, serverTimeMs, bodyHash },
  );
};

/**
 * Groups a batch by id before numbers are given: of several items with one id the first that may be appended stands
 * for all.
 */
export const groupById = (batch: readonly PendingAppend[]): OpenAppend[] => {
  const groups = new Map<string, OpenAppend>();
  for (const pending of batch) {
    const { item, key } = pending;
    const lookUp = item.retry || item.lookupOnly;
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { ...pending, followers: [], lookUp });
    } else if (group.item.lookupOnly && !item.lookupOnly) {
      groups.set(key, { ...pending, followers: [...group.followers, group], lookUp: true });
    } else {
      group.followers.push(pending);
      group.lookUp ||= lookUp;
    }
  }
  return [...groups.values()];
};

/** The id is stored, by this attempt or an earlier one: answers the item and its followers. */
export const settleStored = (open: OpenAppend, stored: StoredAck, duplicate: boolean): void => {
  answerStored(open, stored, duplicate);
  for (const follower of open.followers) answerStored(follower, stored, true);
};

/** The id is not stored. Followers with the same body hear the same; others are asked to come again. */
export const settleRefused = (open: OpenAppend, outcome: AppendOutcome): void => {
  open.origin.answer(open.item.requestId, outcome);
  for (const { item, origin } of open.followers) {
    const undecided = ['unavailable', 'not-owner', 'stale-membership'].includes(outcome.kind);
    if (item.lookupOnly && !undecided) origin.answer(item.requestId, { kind: 'not-found' });
    else if (sameBytes(item.bodyHash, open.item.bodyHash)) origin.answer(item.requestId, outcome);
    else origin.answer(item.requestId, { kind: 'unavailable', retryAfterMs: SHORTLY_MS });
  }
};
