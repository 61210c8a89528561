import { MARGIN_MS, TEN_SECONDS_MS } from '../checker/check-delivery.js';
import type { CheckName, Span, Violation } from '../history.js';
import { costsOf, totalsOf, type FaultCost, type Totals } from '../measure.js';
import type { RunResult } from '../run.js';

/** What a run comes to: the JSON report, and what the table and the page are made from. */
export interface Summary {
  readonly seed: number;
  readonly minutes: number;
  /** Hash of the plan: the same seed and options give the same. */
  readonly plan: string;
  readonly machine: string;
  readonly at: string;
  readonly durationMs: number;
  readonly totals: Totals;
  readonly skipped: number;
  readonly unconfirmedChanges: number;
  readonly faults: readonly FaultCost[];
  readonly counts: Readonly<Record<CheckName, number>>;
  readonly violations: readonly Violation[];
  /** Others took the CPUs: the ten seconds were not counted. */
  readonly busy: readonly Span[];
  /** Deliveries that took more than the ten seconds, on any machine. */
  readonly late: number;
  readonly timeline: Timeline;
}

/** One entry for each second. */
export interface Timeline {
  readonly offered: readonly number[];
  readonly acked: readonly number[];
  readonly shown: readonly number[];
  readonly refused: readonly number[];
  readonly online: readonly number[];
  /** The slowest delivery, in ms, of what was acked in that second and went to a device that was online. */
  readonly slowest: readonly number[];
}

export function summaryOf(result: RunResult, machine: string): Summary {
  const { plan, planHash, history, judgement, offered, skipped, unconfirmedChanges } = result;
  return {
    seed: plan.seed,
    minutes: plan.minutes,
    plan: planHash,
    machine,
    at: new Date(history.log.epochMs).toISOString(),
    durationMs: history.endAt,
    totals: totalsOf(history, judgement, offered),
    skipped,
    unconfirmedChanges,
    faults: costsOf(history, judgement),
    counts: judgement.counts,
    violations: judgement.violations,
    busy: history.busy,
    late: judgement.ways.filter(({ waitedOnAnyMachine }) => waitedOnAnyMachine > TEN_SECONDS_MS + MARGIN_MS).length,
    timeline: timelineOf(result),
  };
}

function timelineOf({ history, judgement }: RunResult): Timeline {
  const length = Math.ceil(history.endAt / 1000) + 1;
  const zeros = (): number[] => Array.from({ length }, () => 0);
  const counts = { offered: zeros(), acked: zeros(), shown: zeros(), refused: zeros() };
  for (const { what, at } of history.events) {
    if (what !== 'offered' && what !== 'acked' && what !== 'shown' && what !== 'refused') continue;
    const second = Math.floor(at / 1000);
    counts[what][second] = (counts[what][second] ?? 0) + 1;
  }
  const online = zeros();
  for (const device of judgement.facts.devices.values()) {
    for (const { from, to } of device.online) {
      for (let second = Math.ceil(from / 1000); second * 1000 <= to; second += 1)
        online[second] = (online[second] ?? 0) + 1;
    }
  }
  const slowest = zeros();
  for (const { from, to, device } of judgement.ways) {
    const second = Math.floor(from / 1000);
    if (to === Infinity || !device.online.some((span) => span.from <= from && span.to >= to)) continue;
    slowest[second] = Math.max(slowest[second] ?? 0, to - from);
  }
  return { ...counts, online, slowest };
}
