import type { Measurement } from '../measure.js';
import { type Outcome, type Row, timesTheGoal, verdictOf } from '../outcome.js';
import type { Results } from '../results.js';
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
${outcome.rows.length === 0 ? '' : measurements(outcome.rows)}`;
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

function measurements(rows: readonly Row[]): string {
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
${memory(rows)}`;
}

function costs(one: Measurement): { name: string; value: number }[] {
  const acked = Math.max(1, one.acked);
  const parts = one.processes.map(({ name, cpuUs }) => ({ name, value: cpuUs / acked }));
  return [...parts, { name: 'generator', value: one.generatorCpuUs / acked }].sort((a, b) => b.value - a.value);
}

function memory(rows: readonly Row[]): string {
  const names = rows[0]?.measurement.processes.map(({ name }) => name) ?? [];
  const head = names.map((name) => `<th>${escaped(name)}</th>`).join('');
  const body = rows.map(({ name, measurement }) => {
    const cells = measurement.processes.map(({ rssBytes }) => `<td>${String(Math.round(rssBytes / 2 ** 20))}</td>`);
    return `<tr><td>${escaped(name)}</td>${cells.join('')}</tr>`;
  });
  return `<table><tr><th>resident memory, MiB</th>${head}</tr>${body.join('')}</table>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
