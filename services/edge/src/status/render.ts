import type { Status } from './status.js';

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`);
const row = (name: string, value: string): string => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`;
const table = (title: string, rows: readonly string[]): string =>
  `<h2>${escape(title)}</h2><table>${rows.length === 0 ? row('nothing', '') : rows.join('')}</table>`;
const perSecond = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)}/s`;
const rates = (title: string, values: Readonly<Record<string, number>>): string =>
  table(
    title,
    Object.entries(values).map(([name, value]) => row(name, perSecond(value))),
  );
const upTo = (value: number | null): string => (value === null ? '-' : `≤ ${String(value)} ms`);

const STYLE =
  'body{font:15px system-ui;margin:2rem;max-width:60rem;color-scheme:light dark}' +
  'main{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:0 2rem}' +
  'h2{font-size:1rem;margin:1.2rem 0 .3rem}table{border-collapse:collapse;width:100%}' +
  'th{font-weight:400;text-align:left}td{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#c22}';

/** A page that needs nothing but itself, and comes again every five seconds. */
export const renderStatus = (status: Status): string => {
  const { node, build, ready, sends, links, process } = status;
  const down = links.filter(({ up }) => !up);
  const state = ready === true ? 'ready' : `not ready: ${ready}`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>${escape(node)}</title><style>${STYLE}</style>
<h1>${escape(node)}</h1>
<p class="${ready === true ? '' : 'bad'}">${escape(state)}; rates over the last ${status.sinceSeconds.toFixed(0)} s.
The same for programs: <a href="/status.json">status.json</a></p>
<main>${[
    table('Now', [
      row('sockets', String(status.sockets)),
      row('syncs under way', String(status.syncs)),
      row('sends and fetches that wait', String(status.inFlight)),
    ]),
    table('Messages', [
      row('acked', perSecond(sends.acked)),
      row('send to ack, p50', upTo(sends.p50Ms)),
      row('send to ack, p99', upTo(sends.p99Ms)),
      row('handed to sockets', perSecond(status.deliveries)),
      row('hello to sync_complete, p99', upTo(status.syncP99Ms)),
    ]),
    rates('Refused, by reason', status.refusals),
    rates('Handshakes, by status', status.handshakes),
    rates('Sockets closed, by code', status.closes),
    rates('Frames from clients', status.frames),
    table('Process', [
      row('version', build.version),
      row('revision', build.revision.slice(0, 12)),
      row('event loop late by, p99', `${process.eventLoopP99Ms.toFixed(0)} ms`),
      row('CPU', `${(process.cpu * 100).toFixed(0)} %`),
      row('memory', `${(process.memoryBytes / 2 ** 20).toFixed(0)} MiB`),
    ]),
    table(`Streams to peers: ${String(links.length - down.length)} up, ${String(down.length)} down`, [
      ...links.map(({ peer, method, up }) => row(`${peer} ${method}`, up ? 'up' : 'DOWN')),
    ]),
  ].join('\n')}</main></html>
`;
};
