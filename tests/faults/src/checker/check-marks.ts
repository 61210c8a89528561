import type { MarkSample, Violation } from '../history.js';
import { hadAt, isIn, short, type DeviceFacts, type Facts } from './facts.js';

/** No mark is lower than it was, in the database or towards clients. */
export function checkMarksForward({ history }: Facts): Violation[] {
  const last = new Map<string, MarkSample>();
  const violations: Violation[] = [];
  for (const sample of history.marks) {
    const { conversationId, userId, at } = sample;
    const key = `${conversationId} ${userId}`;
    const before = last.get(key);
    last.set(key, sample);
    const moved = before === undefined ? undefined : movedBack(before, sample);
    if (moved === undefined) continue;
    const text = `of ${userId.slice(0, 6)} in ${short(conversationId)}: ${moved}`;
    violations.push({ check: 'mark-back', text, at, conversationId });
  }
  return [...violations, ...receiptsAbove(history.events, last)];
}

function movedBack(before: MarkSample, now: MarkSample): string | undefined {
  if (now.high < before.high) return `delivered went from ${String(before.high)} to ${String(now.high)}`;
  if (now.read < before.read) return `read went from ${String(before.read)} to ${String(now.read)}`;
  for (const [device, seq] of Object.entries(before.delivered)) {
    const after = now.delivered[device] ?? 0;
    if (after < seq) return `the cursor of ${device.slice(0, 6)} went from ${String(seq)} to ${String(after)}`;
  }
  return undefined;
}

/** A client that was told more than the database knows in the end has seen a mark that was taken back. */
function receiptsAbove(events: Facts['history']['events'], last: ReadonlyMap<string, MarkSample>): Violation[] {
  const violations: Violation[] = [];
  for (const event of events) {
    if (event.what !== 'receipt') continue;
    const { conversationId, userId, deliveredSeq, readSeq, at } = event;
    const mark = last.get(`${conversationId} ${userId}`);
    if (mark !== undefined && deliveredSeq <= mark.high && readSeq <= mark.read) continue;
    const text =
      `of ${userId.slice(0, 6)} in ${short(conversationId)}: a client was told delivered ${String(deliveredSeq)}, ` +
      `read ${String(readSeq)}; in the end they are ${String(mark?.high ?? 0)} and ${String(mark?.read ?? 0)}`;
    violations.push({ check: 'mark-back', text, at, conversationId, seq: deliveredSeq });
  }
  return violations;
}

/** When a device had everything up to each seq that it must have. */
type Progress = readonly number[];

/** Nobody is said to have what no device of theirs has. */
export function checkMarksTruthful(facts: Facts): Violation[] {
  const progress = new ProgressBook(facts);
  const violations: Violation[] = [];
  for (const event of facts.history.events) {
    if (event.what !== 'receipt' || event.deliveredSeq === 0) continue;
    const { conversationId, userId, deliveredSeq, at } = event;
    const devices = facts.devicesOfUser.get(userId) ?? [];
    if (devices.some((device) => progress.at(device, conversationId, deliveredSeq) <= at)) continue;
    const text =
      `a client was told that ${userId.slice(0, 6)} has ${short(conversationId)} up to ${String(deliveredSeq)}, ` +
      'and none of the devices had';
    violations.push({ check: 'mark-truthful', text, at, conversationId, seq: deliveredSeq });
  }
  for (const { conversationId, delivered, at } of facts.history.marks) {
    for (const [deviceId, seq] of Object.entries(delivered)) {
      const device = facts.devices.get(deviceId);
      if (device === undefined || progress.at(device, conversationId, seq) <= at) continue;
      const text = `the cursor of ${device.info.name} in ${short(conversationId)} is at ${String(seq)}, which it has not had`;
      violations.push({ check: 'mark-truthful', text, at, conversationId, seq, device: device.info.name });
    }
  }
  return violations;
}

class ProgressBook {
  readonly #facts: Facts;
  readonly #known = new Map<string, Progress>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** When the device had everything of the conversation up to the seq; never: Infinity. */
  at(device: DeviceFacts, conversationId: string, seq: number): number {
    const key = `${device.info.deviceId} ${conversationId}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#progressOf(device, conversationId);
      this.#known.set(key, known);
    }
    return known[seq] ?? Infinity;
  }

  #progressOf(device: DeviceFacts, conversationId: string): Progress {
    const conversation = this.#facts.conversations.get(conversationId);
    const progress = [0];
    if (conversation === undefined) return progress;
    const intervals = conversation.intervals.get(device.info.userId);
    for (let seq = 1; seq <= conversation.head; seq += 1) {
      const own = conversation.bySeq.get(seq)?.senderDevice === device.info.deviceId;
      const needed = isIn(intervals, seq) && !own;
      const had = needed ? (hadAt(device, conversationId, seq) ?? Infinity) : 0;
      progress.push(Math.max(progress[seq - 1] ?? 0, had));
    }
    return progress;
  }
}
