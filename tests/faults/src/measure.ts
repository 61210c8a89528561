import type { Judgement } from './checker/check-history.js';
import { without, type DeviceFacts } from './checker/facts.js';
import type { FaultRecord, History, Span } from './history.js';

/** What one fault cost. All times in ms. */
export interface FaultCost {
  readonly kind: string;
  readonly target: string;
  readonly from: number;
  readonly to: number;
  readonly failure?: string;
  /** Sends that were acked in its time. */
  readonly acks: number;
  /** The longest that a send waited for its ack, of a client that the test itself had not taken away. */
  readonly worstAck: number;
  /** The longest in which nobody at all got an ack though sends were open. */
  readonly stall: number;
  /** Refusals by reason; those to be tried again among them. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The longest from an ack to a device that was connected meanwhile. */
  readonly worstDelivery: number;
}

/** How long after its end a fault still answers for what happens. */
const AFTERMATH_MS = 12_000;

export function costsOf(history: History, { facts, ways }: Judgement): FaultCost[] {
  const acks = ackWaits(history, facts.devices);
  const deliveries = ways
    .filter(({ to }) => to !== Infinity)
    .map(({ from, to, device, waited }) => ({ from, to, device, waited }));
  return history.faults.map((fault, index) => {
    const span = responsibility(fault, history.faults[index + 1]?.from ?? history.endAt);
    const own = acks.filter(({ from, to }) => to >= span.from && from <= span.to);
    const { kind, target, from, to, failure } = fault;
    return {
      kind,
      target,
      from,
      to,
      ...(failure === undefined ? {} : { failure }),
      acks: own.length,
      worstAck: Math.max(0, ...own.map((ack) => ack.waited)),
      stall: longestStall(own, span),
      refusals: refusalsIn(history, span),
      worstDelivery: deliveries
        .filter((way) => way.from >= span.from && way.from <= span.to)
        .reduce((worst, way) => Math.max(worst, connectedPart(way)), 0),
    };
  });
}

function responsibility({ from, to }: FaultRecord, next: number): Span {
  return { from, to: Math.min(to + AFTERMATH_MS, next) };
}

interface AckWait extends Span {
  readonly waited: number;
}

/** How long each send waited for its answer; the time in which its client was away by the test's own doing is not counted. */
function ackWaits({ events }: History, devices: ReadonlyMap<string, DeviceFacts>): AckWait[] {
  const absences = new Map([...devices].map(([id, device]) => [id, absencesOf(device)]));
  const open = new Map<string, number>();
  const waits: AckWait[] = [];
  for (const event of events) {
    if (event.what !== 'offered' && event.what !== 'acked') continue;
    const key = `${event.deviceId} ${event.conversationId} ${event.id}`;
    if (event.what === 'offered') {
      open.set(key, event.at);
      continue;
    }
    const from = open.get(key);
    if (from === undefined) continue;
    open.delete(key);
    const there = without([{ from, to: event.at }], absences.get(event.deviceId) ?? []);
    waits.push({ from, to: event.at, waited: there.reduce((sum, span) => sum + span.to - span.from, 0) });
  }
  return waits;
}

/** From the moment the test takes a client away until it is online again. */
function absencesOf({ events }: DeviceFacts): Span[] {
  const absences: Span[] = [];
  let since: number | undefined;
  for (const event of events) {
    if (event.what === 'disturbed' && event.how === 'slow')
      absences.push({ from: event.at, to: event.at + event.untilMs });
    else if (event.what === 'disturbed') since ??= event.at;
    if (event.what === 'state' && event.online && since !== undefined) {
      absences.push({ from: since, to: event.at });
      since = undefined;
    }
  }
  return absences;
}

/** The longest time in which something was open and nothing was acked. */
function longestStall(acks: readonly AckWait[], span: Span): number {
  const answers = acks.map(({ to }) => to).sort((a, b) => a - b);
  let longest = 0;
  let before = span.from;
  for (const at of answers) {
    if (at > before) {
      const openSince = Math.min(...acks.filter((ack) => ack.to >= at && ack.from < at).map(({ from }) => from), at);
      longest = Math.max(longest, at - Math.max(before, openSince));
    }
    before = Math.max(before, at);
    if (at > span.to) break;
  }
  return longest;
}

function refusalsIn({ events }: History, { from, to }: Span): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const event of events) {
    if (event.what !== 'refused' || event.at < from || event.at > to) continue;
    counts[event.reason] = (counts[event.reason] ?? 0) + 1;
  }
  return counts;
}

function connectedPart({ from, to, device }: { from: number; to: number; device: DeviceFacts }): number {
  let longest = 0;
  for (const span of device.online) {
    if (span.to <= from || span.from >= to) continue;
    longest = Math.max(longest, Math.min(span.to, to) - Math.max(span.from, from));
  }
  return longest;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export interface Totals {
  readonly offered: number;
  readonly acked: number;
  readonly shown: number;
  readonly logged: number;
  readonly ack: Quantiles;
  /** To devices that were online when the ack came. */
  readonly delivery: Quantiles;
}

export function totalsOf(history: History, { facts, ways }: Judgement, offered: number): Totals {
  const waits = ackWaits(history, facts.devices);
  const live = ways.filter(
    ({ from, to, device }) => to !== Infinity && device.online.some((span) => span.from <= from && span.to >= to),
  );
  return {
    offered,
    acked: facts.acks.size,
    shown: history.events.reduce((sum, { what }) => sum + (what === 'shown' ? 1 : 0), 0),
    logged: history.log.messages.length,
    ack: quantiles(waits.map(({ waited }) => waited)),
    delivery: quantiles(live.map(({ from, to }) => Math.max(0, to - from))),
  };
}
