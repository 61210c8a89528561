import { cpuEach, type Measurement, memoryOf } from '../measure.js';
import { type Figure, type Outcome, type PeerOutcome, timesTheGoal, verdictOf } from '../outcome.js';
import { allRows, compared, isFound, onlyOf, verdict } from './side-by-side.js';

const VERDICTS = { aim: 'aim reached', 'at least': 'reached', missed: 'MISSED', '': '' } as const;

/** For the terminal. */
export function textReport(outcome: Outcome): string {
  const lines = [outcome.scenario, `  ${outcome.setup}`];
  const width = Math.max(...outcome.figures.map(({ what }) => what.length));
  for (const figure of outcome.figures)
    lines.push(`  ${figure.what.padEnd(width)}  ${valueOf(figure).padStart(14)}  ${goalOf(figure)}`.trimEnd());
  if (outcome.rows.length > 0) lines.push('', ...tableOf(outcome));
  for (const peer of outcome.peers ?? []) lines.push('', ...besideOf(outcome, peer));
  return `${lines.join('\n')}\n`;
}

export function valueOf({ value, unit }: Pick<Figure, 'value' | 'unit'>): string {
  return `${rounded(value)}${unit === '' ? '' : ` ${unit}`}`;
}

export function rounded(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function goalOf(figure: Figure): string {
  const { goal, unit } = figure;
  if (goal === undefined) return '';
  const sign = goal.better === 'lower' ? '<=' : '>=';
  const times = timesTheGoal(figure);
  const far = times === undefined ? '' : `, ${times.toFixed(2)} x the least`;
  return `${VERDICTS[verdictOf(figure)]}: ${sign} ${rounded(goal.atLeast)} ${unit}, aim ${rounded(goal.aim)}${far}`;
}

/** Columns of the table of measurements: title, and what stands there. */
export const COLUMNS: readonly (readonly [title: string, of: (one: Measurement) => string])[] = [
  ['offered/s', ({ offered, seconds }) => rounded(Math.round(offered / seconds))],
  ['acked/s', ({ ackedPerSecond }) => rounded(Math.round(ackedPerSecond))],
  ['delivered/s', ({ deliveredPerSecond }) => rounded(Math.round(deliveredPerSecond))],
  ['ack p50', ({ ack }) => rounded(ack.p50)],
  ['p95', ({ ack }) => rounded(ack.p95)],
  ['p99', ({ ack }) => rounded(ack.p99)],
  ['p99.9', ({ ack }) => rounded(ack.p999)],
  ['delivery p50', ({ delivery }) => rounded(delivery.p50)],
  ['p95', ({ delivery }) => rounded(delivery.p95)],
  ['p99', ({ delivery }) => rounded(delivery.p99)],
  ['p99.9', ({ delivery }) => rounded(delivery.p999)],
  ['µs CPU/message', (one) => rounded(Math.round(cpuEach(one, one.acked)))],
  ['MiB', (one) => rounded(Math.round(memoryOf(one) / 2 ** 20))],
  ['others', ({ othersCores }) => `${othersCores.toFixed(1)} cores`],
];

/** Godwit and a peer, figure by figure. */
function besideOf(outcome: Outcome, peer: PeerOutcome): string[] {
  if (!isFound(peer)) return [`  ${peer.peer} was not driven: ${peer.missing}.`];
  const comparisons = compared(outcome, peer);
  const table = [
    ['side by side', 'Godwit', peer.peer, 'ratio'],
    ...comparisons.map(({ what, unit, godwit, peer: theirs, times }) => [
      what,
      valueOf({ value: godwit, unit }),
      valueOf({ value: theirs, unit }),
      times === undefined ? '-' : `${times.toFixed(2)} x`,
    ]),
  ];
  const only = onlyOf(outcome, peer).map((figure) => `  ${peer.peer}: ${figure.what} ${valueOf(figure)}`);
  return [`  ${peer.setup}`, ...aligned(table), ...only, `  ${verdict(peer.peer, comparisons)}`];
}

function aligned(table: readonly (readonly string[])[]): string[] {
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table.map((row) => `  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}`);
}

function tableOf(outcome: Outcome): string[] {
  const rows = allRows(outcome);
  const table = [['', ...COLUMNS.map(([title]) => title)]];
  for (const { name, measurement } of rows) table.push([name, ...COLUMNS.map(([, of]) => of(measurement))]);
  return [...aligned(table), '', ...rows.map(({ name, measurement }) => `  ${name}: ${costs(measurement)}`)];
}

/** What each process cost for a message. */
function costs(one: Measurement): string {
  const each = [...one.processes]
    .sort((a, b) => b.cpuUs - a.cpuUs)
    .map(
      ({ name, cpuUs, rssBytes }) =>
        `${name} ${rounded(Math.round(cpuUs / Math.max(1, one.acked)))} µs, ${String(Math.round(rssBytes / 2 ** 20))} MiB`,
    );
  const generator = `generator ${rounded(Math.round(one.generatorCpuUs / Math.max(1, one.acked)))} µs`;
  return [...each, generator].join('; ');
}
