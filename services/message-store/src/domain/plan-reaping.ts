import type { MemberCursors } from './cursors.js';
import { GONE, KIND, type GoneReason } from './message.js';
import { DAY_MS, type Retention } from './retention.js';
import { CLOCK_MARGIN_MS } from './start-cursors.js';

// Which payloads have done their duty. Pure: the reaper reads, asks this, and writes.

/** A message as far as its end is concerned. */
export interface ReapableMessage {
  readonly seq: number;
  readonly senderUserId: string;
  readonly senderDeviceId: string;
  readonly kind: number;
  readonly serverTimeMs: number;
  readonly expiresAtMs: number;
  /** The sender chose when it expires. */
  readonly expiryChosen: boolean;
  readonly gone: GoneReason | undefined;
}

export interface Device {
  readonly deviceId: string;
  /** 0: unknown. */
  readonly registeredAtMs: number;
}

export interface ReapMember {
  readonly userId: string;
  /** Times of membership; `toSeq` 0: still a member. */
  readonly intervals: readonly { readonly fromSeq: number; readonly toSeq: number }[];
  /** Today's devices; undefined: the user doesn't exist any more. */
  readonly devices: readonly Device[] | undefined;
  readonly cursors: MemberCursors | undefined;
}

export interface ReapInput {
  /** Documents from the floor on, dense and in order. */
  readonly messages: readonly ReapableMessage[];
  readonly floorSeq: number;
  /** Undefined: too many to track, payloads live until they expire. */
  readonly members: readonly ReapMember[] | undefined;
  /** Projections of the membership changes are written up to here. */
  readonly membershipVersion: number;
  readonly retention: Retention;
  readonly now: number;
}

export interface ExpiredRange {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly senderUserId: string;
}

export interface ReapPlan {
  readonly delivered: readonly number[];
  readonly expired: readonly number[];
  /** The new floor: all up to here are gone. */
  readonly floorSeq: number;
  /** The highest seq that expired and was not, or not known to be, with every member; 0: none. */
  readonly expiredSeq: number;
  /** What expired before every member had it, by sender. */
  readonly unseen: readonly ExpiredRange[];
}

/** Whether a device or member has the message at an index of the list. */
type Having = (index: number) => boolean;

export const planReaping = (input: ReapInput): ReapPlan => {
  const { messages, members } = input;
  const everyDevice = members?.map((member) => whatMemberHas(input, member, 'every-device'));
  const anyDevice = members?.map((member) => whatMemberHas(input, member, 'any-device'));
  const delivered: number[] = [];
  const expired: number[] = [];
  const unseen: ExpiredRange[] = [];
  let floorSeq = input.floorSeq;
  let expiredSeq = 0;
  messages.forEach((message, index) => {
    const end = endOf(message, { input, hadByAll: everyDevice?.every((has) => has(index)) ?? false });
    if (end === GONE.delivered) delivered.push(message.seq);
    if (end === GONE.expired) {
      expired.push(message.seq);
      const seen = anyDevice?.every((has) => has(index)) ?? false;
      if (!seen) expiredSeq = message.seq;
      if (!seen && anyDevice !== undefined) addRange(unseen, message);
    }
    if ((end !== undefined || message.gone !== undefined) && message.seq === floorSeq + 1) floorSeq = message.seq;
  });
  return { delivered, expired, floorSeq, expiredSeq, unseen };
};

interface EndInput {
  readonly input: ReapInput;
  readonly hadByAll: boolean;
}

const endOf = (message: ReapableMessage, { input, hadByAll }: EndInput): GoneReason | undefined => {
  const { membershipVersion, retention, now } = input;
  if (message.gone !== undefined) return undefined;
  // Whoever finds the projections behind replays these.
  if (message.kind === KIND.membership && message.seq > membershipVersion) return undefined;
  const keptUntil = retention.historyDays > 0 ? message.serverTimeMs + retention.historyDays * DAY_MS : 0;
  // History may have been set after the message was stored; an expiry that the sender chose stands.
  const expiresAt = message.expiryChosen ? message.expiresAtMs : Math.max(message.expiresAtMs, keptUntil);
  if (now >= expiresAt) return hadByAll ? GONE.delivered : GONE.expired;
  return hadByAll && now >= keptUntil ? GONE.delivered : undefined;
};

/**
 * Whether a member is done with a message: it wasn't a member then, or its devices have it. A member without a device
 * has nothing yet: what is for it waits until it expires. A user that doesn't exist any more waits for nothing.
 */
const whatMemberHas = (
  { messages, floorSeq }: ReapInput,
  { intervals, devices, cursors }: ReapMember,
  mode: 'every-device' | 'any-device',
): Having => {
  if (devices === undefined) return () => true;
  const isFor = (seq: number): boolean =>
    intervals.some(({ fromSeq, toSeq }) => fromSeq <= seq && (toSeq === 0 || seq <= toSeq));
  const concerns = messages.map(({ seq }) => isFor(seq));
  const having = devices.map((device) => whatDeviceHas(messages, { device, cursors, concerns, floorSeq }));
  if (mode === 'any-device') {
    const { highSeq = 0 } = cursors ?? {};
    return (index) =>
      concerns[index] === false || (messages[index]?.seq ?? 0) <= highSeq || having.some((has) => has(index));
  }
  return (index) => concerns[index] === false || (having.length > 0 && having.every((has) => has(index)));
};

interface DeviceInput {
  readonly device: Device;
  readonly cursors: MemberCursors | undefined;
  /** Whether the message at this index is for the member at all. */
  readonly concerns: readonly boolean[];
  readonly floorSeq: number;
}

/**
 * A device has all up to its cursor. What lies directly above and needs no ack of it counts as had: its own messages
 * (their ack was the delivery), those that are gone, those outside the membership. A registered device without a cursor
 * holds what was stored since it was registered: that is where it will start.
 */
const whatDeviceHas = (
  messages: readonly ReapableMessage[],
  { device, cursors, concerns, floorSeq }: DeviceInput,
): Having => {
  let had = Math.max(floorSeq, cursors?.delivered.get(device.deviceId) ?? startOf(messages, device));
  for (const [index, message] of messages.entries()) {
    if (message.seq <= had) continue;
    const passes =
      message.seq === had + 1 &&
      (message.senderDeviceId === device.deviceId || message.gone !== undefined || concerns[index] === false);
    if (!passes) break;
    had = message.seq;
  }
  return (index) => (messages[index]?.seq ?? Infinity) <= had;
};

const startOf = (messages: readonly ReapableMessage[], { registeredAtMs }: Device): number => {
  let start = 0;
  for (const { seq, serverTimeMs } of messages) {
    if (serverTimeMs >= registeredAtMs - CLOCK_MARGIN_MS) break;
    start = seq;
  }
  return start;
};

const addRange = (ranges: ExpiredRange[], { seq, senderUserId }: ReapableMessage): void => {
  const last = ranges.at(-1);
  if (last !== undefined && last.senderUserId === senderUserId && last.toSeq + 1 === seq) {
    ranges[ranges.length - 1] = { ...last, toSeq: seq };
  } else ranges.push({ fromSeq: seq, toSeq: seq, senderUserId });
};
