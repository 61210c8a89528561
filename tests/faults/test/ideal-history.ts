import { Random } from '../src/random.js';
import type { ClientEvent, DeviceInfo, History, LoggedMessage, MarkSample, Membership } from '../src/history.js';

// Histories of a fleet that keeps every promise, made up from a seed: what the checker must find nothing in, and what
// the tests then spoil in one place.

interface Draft {
  readonly random: Random;
  readonly devices: DeviceInfo[];
  readonly events: ClientEvent[];
  readonly messages: LoggedMessage[];
  readonly members: Membership[];
  readonly marks: MarkSample[];
}

const EPOCH_MS = 1_764_000_000_000;
const END_MS = 60_000;
const TEXT = 1;

/** `size`: messages a conversation. */
export function idealHistory(seed: number, size = 30): History {
  const draft: Draft = { random: new Random(seed), devices: [], events: [], messages: [], members: [], marks: [] };
  addDevices(draft);
  for (const name of ['one', 'two']) addConversation(draft, `c:${name}`, size);
  const { devices, messages, members, marks } = draft;
  const events = draft.events.sort((a, b) => a.at - b.at);
  const heads = ['c:one', 'c:two'].map((conversationId) => ({ conversationId, headSeq: size, floorSeq: size }));
  const log = { messages, heads, members, epochMs: EPOCH_MS };
  return { devices, events, faults: [], busy: [], log, marks, quietAt: END_MS - 5_000, endAt: END_MS };
}

function addDevices({ random, devices, events }: Draft): void {
  for (const userId of ['ada', 'ben', 'cem']) {
    for (const number of [0, 1]) {
      const deviceId = `${userId}-${String(number)}`;
      devices.push({ deviceId, userId, name: deviceId, client: 'sdk' });
      events.push({ what: 'life', remembers: false, at: 0, deviceId });
      events.push({ what: 'state', online: true, detail: '', at: 1, deviceId });
      if (random.perMille(500)) addAbsence(events, deviceId, random.int(10_000, 30_000));
    }
  }
}

function addAbsence(events: ClientEvent[], deviceId: string, at: number): void {
  events.push({ what: 'state', online: false, detail: 'ended', at, deviceId });
  events.push({ what: 'life', remembers: true, at: at + 8_000, deviceId });
  events.push({ what: 'state', online: true, detail: '', at: at + 8_200, deviceId });
}

function addConversation(draft: Draft, conversationId: string, size: number): void {
  const { random, members, devices } = draft;
  const leftAt = random.int(5, size - 5);
  members.push({ conversationId, userId: 'ada', intervals: [{ fromSeq: 1, toSeq: 0 }] });
  members.push({ conversationId, userId: 'ben', intervals: [{ fromSeq: 1, toSeq: 0 }] });
  members.push({
    conversationId,
    userId: 'cem',
    intervals: [
      { fromSeq: 1, toSeq: leftAt },
      { fromSeq: leftAt + 3, toSeq: 0 },
    ],
  });
  let at = 100;
  for (let seq = 1; seq <= size; seq += 1) {
    at += random.int(50, 1_200);
    addMessage(draft, {
      conversationId,
      seq,
      at,
      sender: random.pick(devices.filter(({ userId }) => userId !== 'cem')),
    });
  }
  addDeliveries(draft, conversationId, leftAt);
  addMarks(draft, conversationId, size);
}

interface Placed {
  readonly conversationId: string;
  readonly seq: number;
  readonly at: number;
  readonly sender: DeviceInfo;
}

function addMessage({ events, messages }: Draft, { conversationId, seq, at, sender }: Placed): void {
  const id = `m${String(seq)}`;
  const { deviceId, userId: senderId } = sender;
  const serverTimeMs = EPOCH_MS + at;
  events.push({ what: 'offered', conversationId, id, text: `text ${id}`, expiresAtMs: 0, at: at - 20, deviceId });
  events.push({ what: 'acked', conversationId, id, seq, serverTimeMs, at, deviceId });
  messages.push({
    conversationId,
    seq,
    senderId,
    senderDevice: deviceId,
    id,
    serverTimeMs,
    kind: TEXT,
    targetSeq: 0,
    hasPayload: false,
    goneReason: 'DELIVERED',
    expiresAtMs: serverTimeMs + 86_400_000,
  });
}

/** Everybody sees everything of theirs in order, as soon as they are there. */
function addDeliveries({ events, devices, messages, random }: Draft, conversationId: string, leftAt: number): void {
  const log = messages.filter((message) => message.conversationId === conversationId);
  for (const { deviceId, userId } of devices) {
    let at = 0;
    for (const { seq, id, senderId, senderDevice, serverTimeMs } of log) {
      const outside = userId === 'cem' && seq > leftAt && seq < leftAt + 3;
      if (senderDevice === deviceId) continue;
      at = presentFrom(events, deviceId, Math.max(at, serverTimeMs - EPOCH_MS + random.int(1, 900)));
      if (outside)
        events.push({ what: 'gone', conversationId, fromSeq: seq, toSeq: seq, reason: 'NOT_A_MEMBER', at, deviceId });
      else {
        const text = `text ${id}`;
        events.push({ what: 'received', conversationId, seq, at, deviceId });
        events.push({ what: 'shown', conversationId, seq, id, fromUserId: senderId, kind: 'text', text, at, deviceId });
      }
    }
  }
}

/** In the end everybody's devices stand at the head. */
function addMarks({ marks, devices }: Draft, conversationId: string, head: number): void {
  for (const userId of new Set(devices.map((device) => device.userId))) {
    const own = devices.filter((device) => device.userId === userId);
    const delivered = Object.fromEntries(own.map(({ deviceId }) => [deviceId, head]));
    marks.push({ at: END_MS - 1, conversationId, userId, high: head, read: 0, delivered });
  }
}

/** The next moment at which the device is online. */
function presentFrom(events: readonly ClientEvent[], deviceId: string, at: number): number {
  const states = events.filter((event) => event.what === 'state' && event.deviceId === deviceId);
  const away = states.find((event) => event.what === 'state' && !event.online);
  const back = states.find(
    (event) => event.what === 'state' && event.online && away !== undefined && event.at > away.at,
  );
  if (away === undefined || back === undefined || at < away.at || at > back.at) return at;
  return back.at + 5;
}
