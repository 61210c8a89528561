import colors from 'picocolors';
import { CHECKS, type CheckName } from '../history.js';
import type { FaultCost } from '../measure.js';
import type { Summary } from './summary.js';

const MOST_SHOWN = 12;

/** The run as a person at a terminal reads it. */
export function tableOf(summary: Summary): string {
  return [
    ...faultRows(summary.faults),
    '',
    ...checkRows(summary),
    '',
    ...violationRows(summary),
    ...totalRows(summary),
  ].join('\n');
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function faultRows(faults: readonly FaultCost[]): string[] {
  const head = ['at', 'fault', 'target', 'lasted', 'worst ack', 'nobody acked', 'worst delivery', 'refusals'];
  const rows = faults.map((cost) => [
    seconds(cost.from),
    cost.kind,
    cost.target.length > 28 ? `${cost.target.slice(0, 27)}…` : cost.target,
    seconds(cost.to - cost.from),
    seconds(cost.worstAck),
    seconds(cost.stall),
    seconds(cost.worstDelivery),
    cost.failure ?? refusalsOf(cost),
  ]);
  return columns([head, ...rows]);
}

function refusalsOf({ refusals }: FaultCost): string {
  return Object.entries(refusals)
    .map(([reason, count]) => `${reason} ${String(count)}`)
    .join(', ');
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row, index) => {
    const line = row.map((cell, column) =>
      column >= 3 && column <= 6 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    );
    const text = `  ${line.join('  ').trimEnd()}`;
    return index === 0 ? colors.bold(text) : text;
  });
}

function checkRows({ counts }: Summary): string[] {
  return (Object.entries(CHECKS) as [CheckName, string][]).map(([check, meaning]) => {
    const count = counts[check];
    return `  ${count === 0 ? colors.green('ok  ') : colors.red(String(count).padEnd(4))}  ${check.padEnd(21)} ${meaning}`;
  });
}

function violationRows({ violations }: Summary): string[] {
  if (violations.length === 0) return [];
  const perCheck = new Map<string, number>();
  const shown = violations.filter(({ check }) => {
    const before = perCheck.get(check) ?? 0;
    perCheck.set(check, before + 1);
    return before < MOST_SHOWN;
  });
  const rows = shown.map(
    ({ check, text, at }) => `  ${colors.red(check)} ${at === undefined ? '' : `at ${seconds(at)}: `}${text}`,
  );
  const left = violations.length - shown.length;
  return [...rows, ...(left > 0 ? [`  and ${String(left)} more, in the JSON`] : []), ''];
}

function busyRows(busy: Summary['busy'], late: number): string[] {
  const ms = busy.reduce((sum, { from, to }) => sum + to - from, 0);
  return ms === 0
    ? []
    : [
        `  for ${seconds(ms)} others took a quarter of the CPUs or more: the ten seconds were not counted then; counted, ${String(late)} deliveries were late`,
      ];
}

function totalRows({ totals, busy, late, seed, plan, skipped, unconfirmedChanges }: Summary): string[] {
  const { ack, delivery } = totals;
  return [
    `  ${String(totals.offered)} sends offered (${String(skipped)} more not, their device was off or had too many open), ` +
      `${String(totals.acked)} acked, ${String(totals.logged)} messages in the log, ${String(totals.shown)} shown; ` +
      `${String(unconfirmedChanges)} changes of members not confirmed`,
    `  ack p50 ${String(ack.p50)} ms, p99 ${String(ack.p99)} ms, worst ${seconds(ack.max)}; delivery to those online ` +
      `p50 ${String(delivery.p50)} ms, p99 ${String(delivery.p99)} ms, worst ${seconds(delivery.max)}`,
    ...busyRows(busy, late),
    `  seed ${String(seed)}, plan ${plan}`,
  ];
}
