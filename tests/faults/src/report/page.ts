import { CHECKS, type CheckName } from '../history.js';
import type { FaultCost } from '../measure.js';
import type { Summary } from './summary.js';
import { seconds } from './table.js';

const WIDTH = 1180;
const LEFT = 56;
const ROW = 110;

/** One HTML file with everything in it: nothing is loaded from anywhere. */
export function pageOf(summary: Summary): string {
  const verdict = summary.violations.length === 0 ? 'nothing found' : `${String(summary.violations.length)} violations`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Godwit faults, seed ${String(summary.seed)}: ${verdict}</title>
<style>
body{font:14px/1.45 system-ui,sans-serif;margin:24px auto;max-width:1240px;color:#1b1f24;background:#fff}
h1{font-size:20px}h2{font-size:16px;margin-top:28px}table{border-collapse:collapse;width:100%}
td,th{padding:3px 8px;text-align:left;border-bottom:1px solid #e3e6ea;font-variant-numeric:tabular-nums;vertical-align:top}
td.n,th.n{text-align:right}.ok{color:#1a7f37}.bad{color:#c6262e;font-weight:600}svg{display:block;max-width:100%}
svg text{font:11px system-ui,sans-serif;fill:#57606a}.fault{fill:#d29922;opacity:.22}.fault.point{opacity:.7}.fault:hover{opacity:.6}.busy{fill:#8c959f;opacity:.12}
</style></head><body>
<h1>Godwit under faults: ${verdict}</h1>
<p>Seed ${String(summary.seed)}, plan ${escape(summary.plan)}, ${seconds(summary.durationMs)} from ${escape(summary.at)} on ${escape(summary.machine)}.
${String(summary.totals.offered)} sends offered, ${String(summary.totals.acked)} acked, ${String(summary.totals.shown)} shown.
Ack p50 ${String(summary.totals.ack.p50)} ms, p99 ${String(summary.totals.ack.p99)} ms; delivery to those online p50 ${String(summary.totals.delivery.p50)} ms, p99 ${String(summary.totals.delivery.p99)} ms.</p>
${timeline(summary)}
<h2>Checks</h2>${checks(summary)}
${violations(summary)}
<h2>Faults</h2>${faults(summary.faults)}
</body></html>
`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

interface Series {
  readonly name: string;
  readonly values: readonly number[];
  readonly colour: string;
}

function timeline({ timeline: t, faults, busy, durationMs }: Summary): string {
  const scale = (WIDTH - LEFT) / Math.max(1, durationMs);
  const rows: Series[][] = [
    [
      { name: 'offered / s', values: t.offered, colour: '#8c959f' },
      { name: 'acked / s', values: t.acked, colour: '#1a7f37' },
    ],
    [{ name: 'shown / s', values: t.shown, colour: '#0969da' }],
    [{ name: 'refused / s', values: t.refused, colour: '#c6262e' }],
    [{ name: 'devices online', values: t.online, colour: '#6639ba' }],
    [{ name: 'slowest delivery, ms', values: t.slowest, colour: '#bc4c00' }],
  ];
  const height = rows.length * ROW + 24;
  const bands = faults
    .map(({ kind, target, from, to }) => {
      const width = Math.max(2, (to - from) * scale);
      const title = escape(`${kind} ${target}: ${seconds(from)} to ${seconds(to)}`);
      const x = (LEFT + from * scale).toFixed(1);
      return `<rect class="fault${width <= 2 ? ' point' : ''}" x="${x}" y="0" width="${width.toFixed(1)}" height="${String(height - 20)}"><title>${title}</title></rect>`;
    })
    .join('');
  const others = busy
    .map(({ from, to }) => {
      const x = (LEFT + from * scale).toFixed(1);
      const width = ((to - from) * scale).toFixed(1);
      return `<rect class="busy" x="${x}" y="0" width="${width}" height="${String(height - 20)}"><title>others took the CPUs</title></rect>`;
    })
    .join('');
  const charts = rows.map((series, index) => chart(series, { top: index * ROW, scale })).join('');
  return `<svg viewBox="0 0 ${String(WIDTH)} ${String(height)}" role="img" aria-label="Timeline">${others}${bands}${charts}${axis(durationMs, { scale, height })}</svg>`;
}

function chart(series: readonly Series[], { top, scale }: { top: number; scale: number }): string {
  const highest = Math.max(1, ...series.flatMap(({ values }) => values));
  const base = top + ROW - 14;
  const y = (value: number): string => (base - (value / highest) * (ROW - 34)).toFixed(1);
  const lines = series.map(({ values, colour }) => {
    const points = values.map((value, second) => `${(LEFT + second * 1000 * scale).toFixed(1)},${y(value)}`).join(' ');
    return `<polyline fill="none" stroke="${colour}" stroke-width="1.2" points="${points}"/>`;
  });
  const names = series.map(
    ({ name, colour }, index) =>
      `<text x="${String(LEFT + 4 + index * 90)}" y="${String(top + 14)}" style="fill:${colour}">${name}</text>`,
  );
  return `${lines.join('')}${names.join('')}<text x="0" y="${y(highest)}">${String(highest)}</text><line x1="${String(LEFT)}" x2="${String(WIDTH)}" y1="${String(base)}" y2="${String(base)}" stroke="#d0d7de"/>`;
}

function axis(durationMs: number, { scale, height }: { scale: number; height: number }): string {
  const step = durationMs > 600_000 ? 60_000 : 10_000;
  const ticks: string[] = [];
  for (let at = 0; at <= durationMs; at += step) {
    ticks.push(`<text x="${(LEFT + at * scale).toFixed(1)}" y="${String(height - 4)}">${String(at / 1000)} s</text>`);
  }
  return ticks.join('');
}

function checks({ counts }: Summary): string {
  const rows = (Object.entries(CHECKS) as [CheckName, string][]).map(([check, meaning]) => {
    const count = counts[check];
    const verdict = count === 0 ? '<td class="ok">ok</td>' : `<td class="bad">${String(count)}</td>`;
    return `<tr>${verdict}<td>${check}</td><td>${escape(meaning)}</td></tr>`;
  });
  return `<table>${rows.join('')}</table>`;
}

function violations({ violations: list }: Summary): string {
  if (list.length === 0) return '';
  const rows = list
    .slice(0, 500)
    .map(
      ({ check, text, at }) =>
        `<tr><td>${check}</td><td class="n">${at === undefined ? '' : seconds(at)}</td><td>${escape(text)}</td></tr>`,
    );
  return `<h2>Violations</h2><table>${rows.join('')}</table>`;
}

function faults(list: readonly FaultCost[]): string {
  const head =
    '<tr><th class="n">at</th><th>fault</th><th>target</th><th class="n">lasted</th><th class="n">worst ack</th><th class="n">nobody acked</th><th class="n">worst delivery</th><th>refusals</th></tr>';
  const rows = list.map((cost) => {
    const refusals = Object.entries(cost.refusals).map(([reason, count]) => `${reason} ${String(count)}`);
    const numbers = [cost.to - cost.from, cost.worstAck, cost.stall, cost.worstDelivery].map(
      (ms) => `<td class="n">${seconds(ms)}</td>`,
    );
    return `<tr><td class="n">${seconds(cost.from)}</td><td>${cost.kind}</td><td>${escape(cost.target)}</td>${numbers.join('')}<td>${escape(cost.failure ?? refusals.join(', '))}</td></tr>`;
  });
  return `<table>${head}${rows.join('')}</table>`;
}
