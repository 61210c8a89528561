import type { Head } from './head-cache.js';
import {
  KIND,
  placeKey,
  type AppendItem,
  type AppendOutcome,
  type NumberedMessage,
  type TargetMessage,
} from './message.js';
import type { OpenAppend } from './open-appends.js';
import { lifetimeMs } from './retention.js';
import { refuseTarget } from './target-rules.js';

export interface Numbered {
  readonly open: OpenAppend;
  readonly message: NumberedMessage;
}

export interface NumberedBatch {
  readonly numbered: readonly Numbered[];
  readonly refused: readonly { readonly open: OpenAppend; readonly outcome: AppendOutcome }[];
  /** Where each conversation of the batch will stand once all of it is stored. */
  readonly heads: ReadonlyMap<string, Head>;
}

export interface NumberingInput {
  readonly opens: readonly OpenAppend[];
  /** Of every conversation of the batch. */
  readonly headOf: (conversationId: string) => Head;
  readonly targets: ReadonlyMap<string, TargetMessage>;
  /** Where conversations begin: 0, or above every seq that one may have had before the log was restored from a backup. */
  readonly startsAbove: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Gives each item its place, or the reason why it has none. */
export const numberBatch = ({ opens, headOf, targets, startsAbove, now }: NumberingInput): NumberedBatch => {
  const heads = new Map<string, Head>();
  const numbered: Numbered[] = [];
  const refused: { open: OpenAppend; outcome: AppendOutcome }[] = [];
  for (const open of opens) {
    const { item } = open;
    const head = heads.get(item.conversationId) ?? headOf(item.conversationId);
    const outcome = refuse(item, { head, targets, now });
    if (outcome !== undefined) {
      refused.push({ open, outcome });
      continue;
    }
    const message = place(item, head, { startsAbove, now });
    numbered.push({ open, message });
    heads.set(item.conversationId, {
      seq: message.seq,
      membershipVersion: message.membershipVersion,
      serverTimeMs: message.serverTimeMs,
      retention: head.retention,
    });
  }
  return { numbered, refused, heads };
};

interface RefusalInput {
  readonly head: Head;
  readonly targets: ReadonlyMap<string, TargetMessage>;
  readonly now: number;
}

const refuse = (item: AppendItem, { head, targets, now }: RefusalInput): AppendOutcome | undefined => {
  const current = item.membershipVersion === head.membershipVersion;
  // Its sender would be refused by what its router knew of the members: right if that is what they are.
  if (item.lookupOnly && (current || head.seq === 0)) return { kind: 'not-found' };
  // Also what keeps a conversation from beginning with anything but a membership change: without one the version is 0.
  const mayBegin = head.seq > 0 || item.kind === KIND.membership;
  if (!current || !mayBegin) {
    return { kind: 'stale-membership', membershipVersion: head.membershipVersion };
  }
  const target = item.targetSeq === 0 ? undefined : targets.get(placeKey({ ...item, seq: item.targetSeq }));
  const reason = refuseTarget({ item, headSeq: head.seq, target, now });
  return reason === undefined ? undefined : { kind: 'target-refused', reason };
};

const place = (
  item: AppendItem,
  head: Head,
  { startsAbove, now }: Pick<NumberingInput, 'startsAbove' | 'now'>,
): NumberedMessage => {
  const seq = (head.seq === 0 ? startsAbove : head.seq) + 1;
  const serverTimeMs = Math.max(now, head.serverTimeMs);
  return {
    item,
    seq,
    serverTimeMs,
    membershipVersion: item.kind === KIND.membership ? seq : head.membershipVersion,
    expiresAtMs: item.expiresAtMs > 0 ? item.expiresAtMs : serverTimeMs + lifetimeMs(head.retention),
  };
};
