import { isOpen, lastVisible } from './intervals.js';
import type { Head, UserConversation } from './ports.js';

/** What is known of a conversation when a device syncs. */
export interface SyncFacts {
  readonly conversation: UserConversation;
  readonly head: Head | undefined;
  /** Where the device stands by its acks; undefined: not asked for. */
  readonly stored: number | undefined;
  /** Where the device says it stands; undefined: it did not name the conversation. */
  readonly given: number | undefined;
  readonly recheck: boolean;
}

/** What the device is to get of a conversation: `after` < seq <= `upTo`. */
export interface SyncPlan {
  readonly conversationId: string;
  readonly after: number;
  readonly upTo: number;
  readonly saysPosition: boolean;
  /** The device said it stands where nothing is yet. */
  readonly aboveHead: boolean;
  /** It stands further than its acks say: they were lost on the way. */
  readonly raiseTo: number;
}

/** Plans one conversation of a sync; undefined: there is nothing to say. */
export const planSync = ({ conversation, head, stored, given, recheck }: SyncFacts): SyncPlan | undefined => {
  const { conversationId, intervals } = conversation;
  const first = intervals[0];
  if (first === undefined) return undefined;
  const headSeq = head?.headSeq ?? 0;
  const open = isOpen(intervals);
  const upTo = open ? headSeq : Math.min(headSeq, lastVisible(intervals));
  const aboveHead = !recheck && given !== undefined && given > headSeq;
  const cursor = given === undefined || aboveHead ? (stored ?? 0) : given;
  // Before the first seq it may see there is nothing for the user.
  const after = Math.max(cursor, first.from - 1);
  const news = upTo > after;
  if (!news && (recheck || !open)) return aboveHead ? silent(conversationId, after) : undefined;
  const saysPosition = given === undefined || given !== after || (news && !recheck);
  if (!news && !saysPosition && !isAhead(given, stored, headSeq)) return undefined;
  const raiseTo = isAhead(given, stored, headSeq) ? (given ?? 0) : 0;
  return { conversationId, after, upTo, saysPosition, aboveHead, raiseTo };
};

const isAhead = (given: number | undefined, stored: number | undefined, headSeq: number): boolean =>
  given !== undefined && stored !== undefined && given > stored && given <= headSeq;

const silent = (conversationId: string, after: number): SyncPlan => ({
  conversationId,
  after,
  upTo: after,
  saysPosition: false,
  aboveHead: true,
  raiseTo: 0,
});
