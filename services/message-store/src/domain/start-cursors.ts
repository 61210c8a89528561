import type { ConversationHeads } from './conversation-heads.js';
import { memberKey, type CursorStore, type MemberCursors } from './cursors.js';

/** Clocks of account and store may differ; a few messages too many do no harm. */
export const CLOCK_MARGIN_MS = 60_000;

export interface CursorsRequest {
  readonly userId: string;
  readonly deviceId: string;
  /** When the device was registered; 0: before everything. */
  readonly deviceSinceMs: number;
  readonly conversations: readonly { readonly conversationId: string; readonly startSeq: number }[];
}

export interface DeviceCursor {
  readonly conversationId: string;
  readonly seq: number;
  /** It was made now. */
  readonly created: boolean;
}

export interface CursorPorts {
  readonly store: CursorStore;
  readonly heads: ConversationHeads;
}

/**
 * Where devices stand, in the order asked. One without a cursor starts at the last message that was stored before it was registered, or
 * at the given start where that is higher.
 */
export const startCursors = async (
  { store, heads }: CursorPorts,
  requests: readonly CursorsRequest[],
): Promise<DeviceCursor[][]> => {
  const stored = await store.cursorsOf(
    requests.flatMap(({ userId, conversations }) =>
      conversations.map(({ conversationId }) => ({ conversationId, userId })),
    ),
  );
  return Promise.all(requests.map((request) => cursorsOf({ store, heads }, request, stored)));
};

const cursorsOf = async (
  { store, heads }: CursorPorts,
  { userId, deviceId, deviceSinceMs, conversations }: CursorsRequest,
  stored: ReadonlyMap<string, MemberCursors>,
): Promise<DeviceCursor[]> => {
  const known = new Map(
    conversations.map(({ conversationId }) => {
      const delivered = stored.get(memberKey({ conversationId, userId }))?.delivered;
      return [conversationId, delivered?.get(deviceId)];
    }),
  );
  const missing = conversations.filter(({ conversationId }) => known.get(conversationId) === undefined);
  const starts = await startsOf({ store, heads }, missing, deviceSinceMs);
  if (starts.size > 0) await store.create({ userId, deviceId }, starts);
  return conversations.map(({ conversationId, startSeq }) => {
    const seq = known.get(conversationId);
    if (seq !== undefined) return { conversationId, seq, created: false };
    return { conversationId, seq: starts.get(conversationId) ?? startSeq, created: true };
  });
};

const startsOf = async (
  { store, heads }: CursorPorts,
  missing: CursorsRequest['conversations'],
  deviceSinceMs: number,
): Promise<Map<string, number>> => {
  const starts = new Map(missing.map(({ conversationId, startSeq }) => [conversationId, startSeq]));
  if (missing.length === 0 || deviceSinceMs === 0) return starts;
  const ids = [...starts.keys()];
  // In this order: a message that is stored in between is above the head that was read, and so not started above.
  const views = await heads.read(ids);
  const first = await store.firstSince(ids, deviceSinceMs - CLOCK_MARGIN_MS);
  for (const { conversationId, seq } of views) {
    const before = Math.min((first.get(conversationId) ?? seq + 1) - 1, seq);
    starts.set(conversationId, Math.max(starts.get(conversationId) ?? 0, before));
  }
  return starts;
};
