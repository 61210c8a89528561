import { GONE, KIND, type AppendItem, type TargetMessage, type TargetRefusal } from './message.js';
import { DAY_MS } from './retention.js';

/** An edit or delete comes within this time of the message. */
export const TARGET_WINDOW_MS = 2 * DAY_MS;

const CONTENT: ReadonlySet<number> = new Set([
  KIND.text,
  KIND.image,
  KIND.video,
  KIND.audio,
  KIND.file,
  KIND.location,
  KIND.contact,
  KIND.card,
  KIND.encrypted,
]);

const EDITABLE: ReadonlySet<number> = new Set([
  KIND.text,
  KIND.image,
  KIND.video,
  KIND.audio,
  KIND.file,
  KIND.card,
  KIND.encrypted,
]);

/** Whether the target's document has to be looked at. A reply or a `seen` only names a seq that exists. */
export const needsTarget = ({ kind }: AppendItem): boolean =>
  kind === KIND.edit || kind === KIND.delete || kind === KIND.reaction;

export interface TargetCheck {
  readonly item: AppendItem;
  /** Head of the conversation: what is above doesn't exist. */
  readonly headSeq: number;
  readonly target: TargetMessage | undefined;
  readonly now: number;
}

/**
 * Why the item may not be about its target, if it may not. A payload that all have had is no obstacle: the tombstone
 * knows author, kind and time, and the devices hold the message.
 */
export const refuseTarget = ({ item, headSeq, target, now }: TargetCheck): TargetRefusal | undefined => {
  if (item.targetSeq > headSeq) return 'TARGET_NOT_FOUND';
  if (!needsTarget(item)) return undefined;
  if (item.targetSeq === 0) return 'TARGET_NOT_FOUND';
  // Seqs are dense, so the message existed. A week after delivery its document goes; devices still have it and may react.
  if (target === undefined) return item.kind === KIND.reaction ? undefined : 'TARGET_TOO_OLD';
  // Deleting again is what a retry looks like whose first attempt removed the payload and got no further.
  if (target.gone === GONE.deleted && item.kind !== KIND.delete) return 'TARGET_NOT_FOUND';
  if (!(item.kind === KIND.edit ? EDITABLE : CONTENT).has(target.kind)) return 'TARGET_KIND';
  if (item.kind === KIND.reaction) return undefined;
  const mayAct = target.senderUserId === item.senderUserId || (item.kind === KIND.delete && item.senderIsAdmin);
  if (!mayAct) return 'NOT_THE_AUTHOR';
  return now - target.serverTimeMs > TARGET_WINDOW_MS ? 'TARGET_TOO_OLD' : undefined;
};
