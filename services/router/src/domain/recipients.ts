import type { ConversationView, Member } from './conversation.js';
import { contains } from './intervals.js';
import { KIND, wakes } from './kind.js';
import type { Target } from './edges.js';
import type { Session, StoredMessage } from './ports.js';

/** A stored message that is to reach its recipients. */
export interface FanOutMessage extends StoredMessage {
  /** The sender's device whose socket has the ack; empty: none. */
  readonly ackedDeviceId: string;
  /** Of the span that what becomes of it belongs below; empty: not traced. */
  readonly traceparent: string;
}

/** A user that a message is for. */
export interface Recipient {
  readonly userId: string;
  /** It sees the conversation from this message on only: whoever comes back may still lack what was before. */
  readonly starting: boolean;
}

/** Who sees the message: those whose time in the conversation it falls into. */
export const recipientsOf = (view: ConversationView, seq: number): Recipient[] => {
  const recipients: Recipient[] = [];
  for (const [userId, { intervals }] of view.members) {
    if (!contains(intervals, seq)) continue;
    const starting = seq > 1 && intervals[0]?.from === seq;
    recipients.push({ userId, starting });
  }
  return recipients;
};

/** The devices of a recipient that the message is for. */
export const targetsOf = (
  message: FanOutMessage,
  { userId, starting }: Recipient,
  sessions: readonly Session[],
): Target[] => {
  const isSender = userId === message.senderUserId;
  const targets: Target[] = [];
  for (const session of sessions) {
    if (isSender && session.deviceId === message.ackedDeviceId) continue;
    const { deviceId, edgeId, edgeIncarnation, handle } = session;
    targets.push({ userId, deviceId, edgeId, edgeIncarnation, handle, starting });
  }
  return targets;
};

/** A member who is not connected. */
export interface MaybeAsleep extends Pick<Member, 'mutedUntilMs' | 'intervals'> {
  readonly userId: string;
}

/** Whether a user who is not connected is to be woken for this message. */
export const isWaking = (
  message: FanOutMessage,
  { userId, mutedUntilMs, intervals }: MaybeAsleep,
  nowMs: number,
): boolean => {
  if (userId === message.senderUserId || mutedUntilMs > nowMs) return false;
  if (wakes(message.kind)) return true;
  // Being taken into a group is news; other changes of members can wait. A private chat begins with its first message.
  const isGroup = message.conversationId.startsWith('g:');
  return message.kind === KIND.membership && isGroup && intervals.some(({ from }) => from === message.seq);
};

/** Targets of one edge, for as many deliveries as they need. */
export const groupByEdge = (targets: readonly Target[]): Target[][] => {
  if (targets.length <= 1) return targets.length === 0 ? [] : [[...targets]];
  const groups = new Map<string, Target[]>();
  for (const target of targets) {
    const key = `${target.edgeId} ${target.edgeIncarnation}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [target]);
    else group.push(target);
  }
  return [...groups.values()];
};
