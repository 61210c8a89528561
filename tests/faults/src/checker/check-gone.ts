import type { GoneEvent, LoggedMessage, PositionEvent, Violation } from '../history.js';
import { devicesFor, hadAt, isIn, short, type DeviceFacts, type Facts, type LoggedConversation } from './facts.js';

/** Clocks of the services that were skewed on purpose end messages early. */
const SKEW_MS = 130_000;
const CLOCKS_AGREE_MS = 1_000;

/** A device may pass over a seq only for a reason that is true. */
export function checkGone(facts: Facts): Violation[] {
  const skewed = facts.history.faults.some(({ kind }) => kind === 'clock-skew');
  const margin = skewed ? SKEW_MS : CLOCKS_AGREE_MS;
  const violations: Violation[] = [];
  for (const device of facts.devices.values()) {
    for (const event of device.events) {
      if (event.what === 'position') violations.push(...checkPosition(facts, device, event));
      if (event.what === 'gone') violations.push(...checkRange({ facts, device, margin }, event));
    }
  }
  return violations;
}

/** Whether the device had it in hand before, or it is its own. */
function isDone(device: DeviceFacts, message: LoggedMessage, at: number): boolean {
  if (message.senderDevice === device.info.deviceId) return true;
  const had = hadAt(device, message.conversationId, message.seq);
  return had !== undefined && had < at;
}

function checkPosition(facts: Facts, device: DeviceFacts, event: PositionEvent): Violation[] {
  const { conversationId, cursorSeq, at } = event;
  const conversation = facts.conversations.get(conversationId);
  const intervals = conversation?.intervals.get(device.info.userId);
  const violations: Violation[] = [];
  for (let seq = 1; seq <= cursorSeq; seq += 1) {
    const message = conversation?.bySeq.get(seq);
    // This very event is what `had` knows of it otherwise; had it come before, it would be there with an earlier time.
    if (message === undefined || !isIn(intervals, seq) || isDone(device, message, at)) continue;
    if (hadBeforeIn(device, event, seq)) continue;
    const text =
      `${device.info.name} was told to count ${short(conversationId)} up to ${String(cursorSeq)} as seen, ` +
      `and has never had ${String(seq)}`;
    violations.push({ check: 'gone-truthful', text, at, conversationId, seq, device: device.info.name });
    break;
  }
  return violations;
}

/** Had in the same millisecond, but before. */
function hadBeforeIn(device: DeviceFacts, event: PositionEvent | GoneEvent, seq: number): boolean {
  for (const other of device.events) {
    if (other === event || other.at > event.at) return false;
    if (other.at < event.at) continue;
    const same = 'conversationId' in other && other.conversationId === event.conversationId;
    if (same && (other.what === 'shown' || other.what === 'acked') && other.seq === seq) return true;
    if (same && other.what === 'gone' && other.fromSeq <= seq && seq <= other.toSeq) return true;
  }
  return false;
}

interface Judging {
  readonly facts: Facts;
  readonly device: DeviceFacts;
  readonly margin: number;
}

function checkRange(judging: Judging, event: GoneEvent): Violation[] {
  const { facts, device } = judging;
  const { conversationId, fromSeq, toSeq, at, reason } = event;
  const conversation = facts.conversations.get(conversationId);
  for (let seq = fromSeq; seq <= toSeq; seq += 1) {
    const complaint = complaintOf(judging, { event, conversation, seq });
    if (complaint === undefined) continue;
    const text = `${device.info.name} was told that ${short(conversationId)} ${String(seq)} is gone (${reason}), ${complaint}`;
    return [{ check: 'gone-truthful', text, at, conversationId, seq, device: device.info.name }];
  }
  return [];
}

interface Place {
  readonly event: GoneEvent;
  readonly conversation: LoggedConversation | undefined;
  readonly seq: number;
}

function complaintOf({ facts, device, margin }: Judging, { event, conversation, seq }: Place): string | undefined {
  const { reason, at } = event;
  if (!isIn(conversation?.intervals.get(device.info.userId), seq)) return undefined;
  const message = conversation?.bySeq.get(seq);
  if (conversation === undefined || message === undefined) return 'which the log does not know';
  switch (reason) {
    case 'NOT_A_MEMBER':
      return 'and its user is a member then';
    case 'EXPIRED': {
      const left = message.expiresAtMs - (facts.history.log.epochMs + at);
      return left > margin ? `and it had ${String(left)} ms to live` : undefined;
    }
    case 'DELETED':
      return message.goneReason === 'DELETED' ? undefined : 'and nobody has deleted it';
    case 'DELIVERED': {
      const lacking = devicesFor(facts, conversation, seq).find(
        (other) => !isDone(other, message, at) && !hadBeforeIn(other, event, seq),
      );
      return lacking === undefined ? undefined : `and ${lacking.info.name} has not had it`;
    }
    case 'UNSPECIFIED':
      return 'for no reason';
  }
}
