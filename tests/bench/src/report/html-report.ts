import type { Measurement, ProcessCost } from '../measure.js';
import { type Outcome, type PeerOutcome, type Row, timesTheGoal, verdictOf } from '../outcome.js';
import type { Results } from '../results.js';
import { allRows, compared, isFound, onlyOf, verdict } from './side-by-side.js';
import { barChart, stackChart } from './svg-charts.js';
import { COLUMNS, rounded, valueOf } from './text-report.js';

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #667; --line: #d5dae2; --good: #1a7f45; --fair: #8a6100; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7ee; --paper: #14181f; --faint: #9aa4b2; --line: #333b47; --good: #57c785; --fair: #e0b04c; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p.setup { color: var(--faint); max-width: 60rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--faint); font-weight: 500; }
.aim, .reached { color: var(--good); } .missed { color: var(--bad); }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .faint { fill: var(--faint); } svg line { stroke: var(--line); }
`;

/** One page, nothing loaded from elsewhere. */
export function htmlReport({ machine, at, settings, raised, outcomes }: Results): string {
  const limits = Object.entries(raised)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Godwit bench</title><style>${STYLE}</style></head><body>
<h1>Godwit bench</h1>
<p>${escaped(machine)}, servers and generators included. ${escaped(at)}.</p>
<p class="setup">Each measurement ${String(settings.seconds)} s after a warm-up of ${String(settings.warmupSeconds)} s that does not count; the median of ${String(settings.repeats)}. Messages are offered whatever is answered; latency counts from when a message was due. Only what was received is counted. Raised limits: <code>${escaped(limits)}</code>.</p>
${outcomes.map(section).join('\n')}
</body></html>
`;
}

function section(outcome: Outcome): string {
  return `<h2>${escaped(outcome.scenario)}</h2>
<p class="setup">${escaped(outcome.setup)}</p>
${figures(outcome)}
${(outcome.peers ?? []).map((peer) => beside(outcome, peer)).join('\n')}
${outcome.rows.length === 0 ? '' : measurements(outcome)}`;
}

/** Godwit and a peer, figure by figure. */
function beside(outcome: Outcome, peer: PeerOutcome): string {
  if (!isFound(peer)) return `<p class="setup">${escaped(peer.peer)} was not driven: ${escaped(peer.missing)}.</p>`;
  const comparisons = compared(outcome, peer);
  const rows = comparisons.map(({ what, unit, godwit, peer: theirs, times, ahead }) => {
    const who =
      ahead === 'peer' ? `${peer.peer.split(' ', 1)[0] ?? ''} is ahead` : ahead === 'even' ? 'even' : 'Godwit';
    const mark = ahead === 'peer' ? 'missed' : ahead === 'even' ? '' : 'reached';
    const ratio = times === undefined ? '-' : `${times.toFixed(2)} ×`;
    const cells = [valueOf({ value: godwit, unit }), valueOf({ value: theirs, unit }), ratio];
    return `<tr><td>${escaped(what)}</td>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}<td class="${mark}">${escaped(who)}</td></tr>`;
  });
  return `<h3>Beside ${escaped(peer.peer)}</h3>
<p class="setup">${escaped(peer.setup)}</p>
<table><tr><th></th><th>Godwit</th><th>${escaped(peer.peer)}</th><th>ratio</th><th>ahead</th></tr>${rows.join('')}</table>
${onlyOf(outcome, peer)
  .map((figure) => `<p>${escaped(figure.what)}: ${escaped(valueOf(figure))}</p>`)
  .join('')}
<p>${escaped(verdict(peer.peer, comparisons))}</p>`;
}

function figures({ figures: all }: Outcome): string {
  const rows = all.map((figure) => {
    const { goal, unit } = figure;
    const verdict = verdictOf(figure);
    const times = timesTheGoal(figure);
    const asked =
      goal === undefined
        ? ['', '', '']
        : [
            `${goal.better === 'lower' ? '≤' : '≥'} ${rounded(goal.atLeast)} ${unit}`,
            `${rounded(goal.aim)} ${unit}`,
            times === undefined ? '' : `${times.toFixed(2)} ×`,
          ];
    const mark = verdict === 'missed' ? 'missed' : verdict === '' ? '' : 'reached';
    return `<tr><td>${escaped(figure.what)}</td><td class="${mark}">${escaped(valueOf(figure))}</td>${asked.map((cell) => `<td>${escaped(cell)}</td>`).join('')}<td class="${mark}">${verdict}</td></tr>`;
  });
  return `<table><tr><th></th><th>measured</th><th>at least</th><th>aim</th><th>of the least</th><th></th></tr>${rows.join('')}</table>`;
}

function measurements(outcome: Outcome): string {
  const rows = allRows(outcome);
  const head = COLUMNS.map(([title]) => `<th>${escaped(title)}</th>`).join('');
  const body = rows
    .map(({ name, measurement }) => {
      const cells = COLUMNS.map(([, of]) => `<td>${escaped(of(measurement))}</td>`).join('');
      return `<tr><td>${escaped(name)}</td>${cells}</tr>`;
    })
    .join('');
  return `<table><tr><th>latencies in ms</th>${head}</tr>${body}</table>
${barChart(
  'Ack latency, ms (logarithmic)',
  rows.map(({ name, measurement: { ack } }) => ({
    name,
    values: { p50: ack.p50, p95: ack.p95, p99: ack.p99, 'p99.9': ack.p999 },
  })),
)}
${stackChart(
  'CPU for an acked message, µs',
  rows.map(({ name, measurement }) => ({ name, parts: costs(measurement) })),
)}
${[outcome, ...(outcome.peers ?? []).filter(isFound)].map((one) => perProcess(one.rows)).join('\n')}`;
}

function costs(one: Measurement): { name: string; value: number }[] {
  const acked = Math.max(1, one.acked);
  const parts = one.processes.map(({ name, cpuUs }) => ({ name, value: cpuUs / acked }));
  return [...parts, { name: 'generator', value: one.generatorCpuUs / acked }].sort((a, b) => b.value - a.value);
}

/** CPU and memory of each process of one system. */
function perProcess(rows: readonly Row[]): string {
  const names = rows[0]?.measurement.processes.map(({ name }) => name) ?? [];
  const table = (title: string, of: (cost: ProcessCost, one: Measurement) => string): string => {
    const body = rows.map(({ name, measurement }) => {
      const cells = names.map((process) => {
        const cost = measurement.processes.find((one) => one.name === process);
        return `<td>${cost === undefined ? '-' : of(cost, measurement)}</td>`;
      });
      return `<tr><td>${escaped(name)}</td>${cells.join('')}</tr>`;
    });
    const head = names.map((name) => `<th>${escaped(name)}</th>`).join('');
    return `<table><tr><th>${title}</th>${head}</tr>${body.join('')}</table>`;
  };
  return `${table('CPU for an acked message, µs', ({ cpuUs }, { acked }) => rounded(Math.round(cpuUs / Math.max(1, acked))))}
${table('resident memory, MiB', ({ rssBytes }) => String(Math.round(rssBytes / 2 ** 20)))}`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
