import type {
  AckedEvent,
  ClientEvent,
  DeviceInfo,
  History,
  Interval,
  LoggedMessage,
  OfferedEvent,
  Span,
} from '../history.js';

/** A history put in order for the checks: by conversation, by device, by id. Nothing is judged here. */
export interface Facts {
  readonly history: History;
  readonly conversations: ReadonlyMap<string, LoggedConversation>;
  readonly devices: ReadonlyMap<string, DeviceFacts>;
  readonly devicesOfUser: ReadonlyMap<string, readonly DeviceFacts[]>;
  /** By `idKey`. */
  readonly offers: ReadonlyMap<string, OfferedEvent>;
  readonly acks: ReadonlyMap<string, readonly AckedEvent[]>;
}

export interface LoggedConversation {
  readonly conversationId: string;
  readonly bySeq: ReadonlyMap<number, LoggedMessage>;
  /** The highest seq in the log. */
  readonly head: number;
  readonly intervals: ReadonlyMap<string, readonly Interval[]>;
}

export interface DeviceFacts {
  readonly info: DeviceInfo;
  readonly events: readonly ClientEvent[];
  /** By conversation and seq: when the device first had it, shown, acked as its own, gone, or passed by a position. */
  readonly had: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Times in which it was synced and live. */
  readonly online: readonly Span[];
}

export function idKey(conversationId: string, userId: string, id: string): string {
  return `${conversationId} ${userId} ${id}`;
}

export function gatherFacts(history: History): Facts {
  const byDevice = new Map<string, ClientEvent[]>(history.devices.map(({ deviceId }) => [deviceId, []]));
  for (const event of history.events) byDevice.get(event.deviceId)?.push(event);
  const devices = new Map(
    history.devices.map((info) => [info.deviceId, deviceFacts(info, byDevice.get(info.deviceId) ?? [], history)]),
  );
  const devicesOfUser = new Map<string, DeviceFacts[]>();
  for (const device of devices.values()) push(devicesOfUser, device.info.userId, device);
  return { history, conversations: loggedConversations(history), devices, devicesOfUser, ...sends(history, devices) };
}

function loggedConversations({ log }: History): Map<string, LoggedConversation> {
  const messages = new Map<string, Map<number, LoggedMessage>>();
  for (const message of log.messages) {
    const bySeq = messages.get(message.conversationId) ?? new Map<number, LoggedMessage>();
    bySeq.set(message.seq, message);
    messages.set(message.conversationId, bySeq);
  }
  const intervals = new Map<string, Map<string, readonly Interval[]>>();
  for (const member of log.members) {
    const byUser = intervals.get(member.conversationId) ?? new Map<string, readonly Interval[]>();
    byUser.set(member.userId, member.intervals);
    intervals.set(member.conversationId, byUser);
  }
  return new Map(
    [...messages].map(([conversationId, bySeq]) => {
      const head = [...bySeq.keys()].reduce((highest, seq) => Math.max(highest, seq), 0);
      return [conversationId, { conversationId, bySeq, head, intervals: intervals.get(conversationId) ?? new Map() }];
    }),
  );
}

function deviceFacts(info: DeviceInfo, events: readonly ClientEvent[], { endAt }: History): DeviceFacts {
  const had = new Map<string, Map<number, number>>();
  const online: Span[] = [];
  let onlineSince: number | undefined;
  for (const event of events) {
    if (event.what === 'state') {
      if (event.online) onlineSince ??= event.at;
      else if (onlineSince !== undefined) {
        online.push({ from: onlineSince, to: event.at });
        onlineSince = undefined;
      }
      continue;
    }
    const range = rangeHad(event);
    if (range === undefined) continue;
    const seqs = had.get(range.conversationId) ?? new Map<number, number>();
    had.set(range.conversationId, seqs);
    for (let seq = range.from; seq <= range.to; seq += 1) if (!seqs.has(seq)) seqs.set(seq, event.at);
  }
  if (onlineSince !== undefined) online.push({ from: onlineSince, to: endAt });
  return { info, events, had, online };
}

function rangeHad(event: ClientEvent): { conversationId: string; from: number; to: number } | undefined {
  switch (event.what) {
    case 'shown':
    case 'acked':
      return { conversationId: event.conversationId, from: event.seq, to: event.seq };
    case 'gone':
      return { conversationId: event.conversationId, from: event.fromSeq, to: event.toSeq };
    case 'position':
      return { conversationId: event.conversationId, from: 1, to: event.cursorSeq };
    default:
      return undefined;
  }
}

function sends(
  { events }: History,
  devices: ReadonlyMap<string, DeviceFacts>,
): { offers: Map<string, OfferedEvent>; acks: Map<string, AckedEvent[]> } {
  const offers = new Map<string, OfferedEvent>();
  const acks = new Map<string, AckedEvent[]>();
  for (const event of events) {
    if (event.what !== 'offered' && event.what !== 'acked') continue;
    const userId = devices.get(event.deviceId)?.info.userId ?? '';
    const key = idKey(event.conversationId, userId, event.id);
    if (event.what === 'offered') offers.set(key, event);
    else push(acks, key, event);
  }
  return { offers, acks };
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

export function isIn(intervals: readonly Interval[] | undefined, seq: number): boolean {
  return intervals?.some(({ fromSeq, toSeq }) => fromSeq <= seq && (toSeq === 0 || seq <= toSeq)) ?? false;
}

/** Devices of those who were members at that seq. */
export function devicesFor(facts: Facts, conversation: LoggedConversation, seq: number): DeviceFacts[] {
  const devices: DeviceFacts[] = [];
  for (const [userId, intervals] of conversation.intervals) {
    if (isIn(intervals, seq)) devices.push(...(facts.devicesOfUser.get(userId) ?? []));
  }
  return devices;
}

export function hadAt(device: DeviceFacts, conversationId: string, seq: number): number | undefined {
  return device.had.get(conversationId)?.get(seq);
}

/** `spans` without what lies in `holes`; both by time. */
export function without(spans: readonly Span[], holes: readonly Span[]): Span[] {
  let left = [...spans];
  for (const hole of holes) {
    left = left.flatMap((span) => {
      if (hole.to <= span.from || hole.from >= span.to) return [span];
      return [
        { from: span.from, to: hole.from },
        { from: hole.to, to: span.to },
      ].filter(({ from, to }) => to > from);
    });
  }
  return left;
}

/** For a sentence: enough of an id to find it. */
export function short(conversationId: string): string {
  return conversationId.replace(/[a-z2-7]{26}/g, (id) => id.slice(0, 6));
}
