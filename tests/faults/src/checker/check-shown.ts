import type { ShownEvent, Violation } from '../history.js';
import { idKey, isIn, short, type DeviceFacts, type Facts } from './facts.js';

/** Once and in order, in one life of the client; one that lost its memory may be shown again what it had not acked. */
export function checkShown({ devices }: Facts): Violation[] {
  return [...devices.values()].flatMap(checkDevice);
}

function checkDevice({ info, events }: DeviceFacts): Violation[] {
  const violations: Violation[] = [];
  let last = new Map<string, number>();
  let ids = new Set<string>();
  for (const event of events) {
    if (event.what === 'life' && !event.remembers) {
      last = new Map();
      ids = new Set();
    }
    if (event.what !== 'shown') continue;
    const { conversationId, seq, at } = event;
    const before = last.get(conversationId) ?? 0;
    const where = { at, conversationId, seq, device: info.name };
    const id = event.id === '' ? '' : idKey(conversationId, event.fromUserId, event.id);
    if (seq === before || ids.has(id)) {
      const text = `${info.name} has shown ${event.id} of ${short(conversationId)} twice, now at ${String(seq)}`;
      violations.push({ check: 'shown-twice', text, ...where });
    } else if (seq < before) {
      const text = `${info.name} has shown ${short(conversationId)} ${String(seq)} after ${String(before)}`;
      violations.push({ check: 'shown-order', text, ...where });
    }
    last.set(conversationId, Math.max(before, seq));
    if (id !== '') ids.add(id);
  }
  return violations;
}

/** What is shown at a seq is what the log holds there, what others were shown there, and what was sent. */
export function checkOneOrder({ devices, conversations, offers }: Facts): Violation[] {
  const first = new Map<string, { event: ShownEvent; device: string }>();
  const violations: Violation[] = [];
  for (const { info, events } of devices.values()) {
    for (const event of events) {
      if (event.what !== 'shown') continue;
      const { conversationId, seq, at } = event;
      const place = `${conversationId} ${String(seq)}`;
      const other = first.get(place);
      if (other === undefined) first.set(place, { event, device: info.name });
      const complaint =
        differenceToOther(event, other) ??
        differenceToLog(event, conversations.get(conversationId)?.bySeq.get(seq)) ??
        differenceToOffer(event, offers.get(idKey(conversationId, event.fromUserId, event.id))?.text);
      if (complaint === undefined) continue;
      const text = `${info.name} was shown ${event.id} at ${short(conversationId)} ${String(seq)}, ${complaint}`;
      violations.push({ check: 'one-order', text, at, conversationId, seq, device: info.name });
    }
  }
  return violations;
}

function differenceToOther(event: ShownEvent, other?: { event: ShownEvent; device: string }): string | undefined {
  if (other === undefined || (other.event.id === event.id && other.event.text === event.text)) return undefined;
  return `${other.device} was shown ${other.event.id} there`;
}

function differenceToLog(event: ShownEvent, stored?: { id: string; senderId: string }): string | undefined {
  if (stored === undefined) return 'where the log has nothing';
  const same = stored.id === event.id && (stored.senderId === event.fromUserId || event.kind === 'membership');
  return same ? undefined : `where the log has ${stored.id}`;
}

function differenceToOffer({ kind, text }: ShownEvent, offered?: string): string | undefined {
  if (kind !== 'text' || (offered !== undefined && offered === text)) return undefined;
  return offered === undefined ? 'which nobody has sent' : 'with another text than was sent';
}

/** Nothing reaches a device from outside of its user's membership, shown or not. */
export function checkMembership({ devices, conversations, history }: Facts): Violation[] {
  const violations: Violation[] = [];
  for (const { info, events } of devices.values()) {
    const told = new Set<string>();
    for (const event of events) {
      if (event.what !== 'shown' && event.what !== 'received') continue;
      const { conversationId, seq, at } = event;
      const place = `${conversationId} ${String(seq)}`;
      if (told.has(place) || isIn(conversations.get(conversationId)?.intervals.get(info.userId), seq)) continue;
      told.add(place);
      const text = `${info.name} got ${short(conversationId)} ${String(seq)} and was no member then`;
      violations.push({ check: 'seen-outside', text, at, conversationId, seq, device: info.name });
    }
  }
  return [...violations, ...checkChanges(history.events, conversations)];
}

function checkChanges(events: Facts['history']['events'], conversations: Facts['conversations']): Violation[] {
  const violations: Violation[] = [];
  for (const event of events) {
    if (event.what !== 'changed') continue;
    const { conversationId, change, version, at } = event;
    for (const userId of event.userIds) {
      const intervals = conversations.get(conversationId)?.intervals.get(userId) ?? [];
      const holds = intervals.some(({ fromSeq, toSeq }) => (change === 'added' ? fromSeq : toSeq) === version);
      if (holds) continue;
      const text = `${userId.slice(0, 6)} was ${change} at ${short(conversationId)} ${String(version)}, which is not kept`;
      violations.push({ check: 'members-agree', text, at, conversationId, seq: version });
    }
  }
  return violations;
}
