import type { Violation } from '../history.js';
import { idKey, short, type Facts } from './facts.js';

/** Every seq from 1 to the head, once. */
export function checkDense({ conversations, history }: Facts): Violation[] {
  const heads = new Map(history.log.heads.map(({ conversationId, headSeq }) => [conversationId, headSeq]));
  const violations: Violation[] = [];
  for (const { conversationId, bySeq, head } of conversations.values()) {
    const end = Math.max(head, heads.get(conversationId) ?? 0);
    for (let seq = 1; seq <= end; seq += 1) {
      if (bySeq.has(seq)) continue;
      const text = `${short(conversationId)} has no seq ${String(seq)}, and its head is ${String(end)}`;
      violations.push({ check: 'log-dense', text, conversationId, seq });
    }
  }
  return violations;
}

export function checkUniqueIds({ history }: Facts): Violation[] {
  const violations: Violation[] = [];
  const seen = new Map<string, number>();
  for (const { conversationId, senderId, id, seq } of history.log.messages) {
    const key = idKey(conversationId, senderId, id);
    const first = seen.get(key);
    if (first !== undefined) {
      const text = `${short(conversationId)} has the message ${id} at ${String(first)} and again at ${String(seq)}`;
      violations.push({ check: 'log-unique', text, conversationId, seq });
    }
    seen.set(key, seq);
  }
  return violations;
}

/** An ack means stored: there, and there only, for good. */
export function checkAcks({ acks, conversations, devices }: Facts): Violation[] {
  const violations: Violation[] = [];
  for (const list of acks.values()) {
    const [first] = list;
    if (first === undefined) continue;
    const { conversationId, id, seq, at } = first;
    const device = devices.get(first.deviceId)?.info;
    const stored = conversations.get(conversationId)?.bySeq.get(seq);
    if (stored?.id !== id || stored.senderId !== device?.userId) {
      const there = stored === undefined ? 'nothing' : `the message ${stored.id}`;
      const text = `${id} was acked at ${short(conversationId)} ${String(seq)}, where the log has ${there}`;
      violations.push({ check: 'acked-lost', text, at, conversationId, seq, device: device?.name ?? '' });
    }
    for (const other of list) {
      if (other.seq === seq && other.serverTimeMs === first.serverTimeMs) continue;
      const text =
        `${id} of ${short(conversationId)} was acked at ${String(seq)} (${String(first.serverTimeMs)}) ` +
        `and at ${String(other.seq)} (${String(other.serverTimeMs)})`;
      violations.push({ check: 'acked-twice', text, at: other.at, conversationId, seq: other.seq });
      break;
    }
  }
  return violations;
}

/** Who sends the same once more gets the first ack again, whatever has changed since. */
export function checkRefusals({ acks, devices, history }: Facts): Violation[] {
  const violations: Violation[] = [];
  for (const event of history.events) {
    if (event.what !== 'refused' || !event.final) continue;
    const { conversationId, id, reason, at } = event;
    const device = devices.get(event.deviceId)?.info;
    const acked = acks.get(idKey(conversationId, device?.userId ?? '', id))?.[0];
    if (acked === undefined || acked.at > at) continue;
    const text = `${id} of ${short(conversationId)} was acked at ${String(acked.seq)} and refused afterwards: ${reason}`;
    violations.push({ check: 'acked-twice', text, at, conversationId, seq: acked.seq, device: device?.name ?? '' });
  }
  return violations;
}

/** Once all is well again, no send is left without an answer; those of a client that lost its memory nobody asks for. */
export function checkSettled({ history }: Facts): Violation[] {
  const open = new Map<string, { at: number; conversationId: string; deviceId: string; id: string }>();
  for (const event of history.events) {
    if (event.what === 'life' && !event.remembers) {
      for (const [key, { deviceId }] of open) if (deviceId === event.deviceId) open.delete(key);
    } else if (event.what === 'offered') {
      open.set(`${event.deviceId} ${event.conversationId} ${event.id}`, event);
    } else if (event.what === 'acked' || (event.what === 'refused' && event.final)) {
      open.delete(`${event.deviceId} ${event.conversationId} ${event.id}`);
    }
  }
  const names = new Map(history.devices.map(({ deviceId, name }) => [deviceId, name]));
  return [...open.values()].map(({ at, conversationId, deviceId, id }) => {
    const device = names.get(deviceId) ?? '';
    const text = `${id}, offered by ${device} to ${short(conversationId)}, was never answered`;
    return { check: 'sends-settled', text, at, conversationId, device };
  });
}
