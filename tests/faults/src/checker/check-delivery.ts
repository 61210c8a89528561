import type { FaultRecord, LoggedMessage, Span, Violation } from '../history.js';
import { devicesFor, hadAt, idKey, short, without, type DeviceFacts, type Facts } from './facts.js';

export const TEN_SECONDS_MS = 10_000;
/** Timers of the test itself, on a machine that does everything at once. */
export const MARGIN_MS = 500;

/** What a message's way to one device took. */
export interface Way {
  readonly message: LoggedMessage;
  readonly device: DeviceFacts;
  /** When its ack was heard; where it never was, when somebody first had it. */
  readonly from: number;
  /** When the device had it; Infinity: never. */
  readonly to: number;
  /** The longest unbroken time in which the device was there for it, nothing was in the way, and it had not come. */
  readonly waited: number;
  /** The same, were a machine that is busy with other things no excuse. */
  readonly waitedOnAnyMachine: number;
}

/** All ways of all messages; those of a device's own are none. */
export function* waysOf(facts: Facts): Generator<Way> {
  const calm = new Map([...facts.devices.values()].map((device) => [device, calmOf(facts, device)]));
  const { busy } = facts.history;
  const own = new Map([...calm].map(([device, spans]) => [device, without(spans, busy)]));
  for (const conversation of facts.conversations.values()) {
    for (const message of conversation.bySeq.values()) {
      const devices = devicesFor(facts, conversation, message.seq);
      const from = startOf(facts, message, devices);
      if (from === undefined) continue;
      for (const device of devices) {
        if (device.info.deviceId === message.senderDevice) continue;
        const to = hadAt(device, message.conversationId, message.seq) ?? Infinity;
        const waited = longestWithin(own.get(device) ?? [], { from, to });
        const waitedOnAnyMachine = longestWithin(calm.get(device) ?? [], { from, to });
        yield { message, device, from, to, waited, waitedOnAnyMachine };
      }
    }
  }
}

function startOf({ acks }: Facts, message: LoggedMessage, devices: readonly DeviceFacts[]): number | undefined {
  const acked = acks.get(idKey(message.conversationId, message.senderId, message.id))?.[0]?.at;
  if (acked !== undefined) return acked;
  const times = devices.flatMap((device) => hadAt(device, message.conversationId, message.seq) ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** When the device was there and nothing stood between it and the fleet that excuses a delay. */
function calmOf({ history }: Facts, device: DeviceFacts): Span[] {
  const faults = history.faults.filter(isExcuse).map(({ from, to }) => ({ from, to }));
  const slow = device.events.flatMap((event) =>
    event.what === 'disturbed' && event.how === 'slow' ? [{ from: event.at, to: event.at + event.untilMs }] : [],
  );
  return without(device.online, [...faults, ...slow]);
}

function isExcuse({ strict, from, to }: FaultRecord): boolean {
  return !strict && to > from;
}

function longestWithin(spans: readonly Span[], { from, to }: Span): number {
  let longest = 0;
  for (const span of spans) {
    if (span.to <= from) continue;
    if (span.from >= to) break;
    longest = Math.max(longest, Math.min(span.to, to) - Math.max(span.from, from));
  }
  return longest;
}

/** Point 5 of the contract, and point 4 at the end of the run. */
export function checkDelivery(facts: Facts, ways: readonly Way[]): Violation[] {
  const violations: Violation[] = [];
  for (const { message, device, from, to, waited } of ways) {
    const { conversationId, seq } = message;
    const where = { at: from, conversationId, seq, device: device.info.name };
    const place = `${short(conversationId)} ${String(seq)}`;
    if (waited > TEN_SECONDS_MS + MARGIN_MS) {
      const came = to === Infinity ? 'and it never came' : `and it came ${String(to - from)} ms after its ack`;
      const text = `${device.info.name} was there for ${String(waited)} ms without ${place}, ${came}`;
      violations.push({ check: 'ten-seconds', text, ...where });
    }
    if (to === Infinity && !hasEnded(message)) {
      const text = `${device.info.name} never had ${place}, and it has not expired`;
      violations.push({ check: 'delivered-or-expired', text, ...where });
    }
  }
  return violations;
}

function hasEnded({ goneReason }: LoggedMessage): boolean {
  return goneReason === 'EXPIRED' || goneReason === 'DELETED';
}

/** What every device has is not kept; that it was there is. (Tombstones that are missing are holes in the log.) */
export function checkPayloads(facts: Facts): Violation[] {
  const violations: Violation[] = [];
  for (const conversation of facts.conversations.values()) {
    for (const message of conversation.bySeq.values()) {
      if (!message.hasPayload) continue;
      const { conversationId, seq } = message;
      const lacking = devicesFor(facts, conversation, seq).some(
        (device) => device.info.deviceId !== message.senderDevice && hadAt(device, conversationId, seq) === undefined,
      );
      if (lacking) continue;
      const text = `${short(conversationId)} ${String(seq)} still has its payload, and every device has it`;
      violations.push({ check: 'payload-ends', text, conversationId, seq });
    }
  }
  return violations;
}
