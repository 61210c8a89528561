import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { History } from '../history.js';
import type { RunResult } from '../run.js';
import { pageOf } from './page.js';
import type { Summary } from './summary.js';

/** The summary, the page, the plan, and everything that happened. */
export async function writeReport(dir: string, summary: Summary, { plan, history }: RunResult): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(path.join(dir, 'report.json'), JSON.stringify(summary, undefined, 1));
  await writeFile(path.join(dir, 'report.html'), pageOf(summary));
  await writeFile(path.join(dir, 'plan.json'), JSON.stringify(plan));
  const file = createWriteStream(path.join(dir, 'history.jsonl.gz'));
  await pipeline(Readable.from(linesOf(history)), createGzip({ level: 3 }), file);
}

function* linesOf(history: History): Generator<string> {
  const { events, devices, faults, log, marks, quietAt, endAt } = history;
  yield `${JSON.stringify({ devices, faults, quietAt, endAt, epochMs: log.epochMs, heads: log.heads, members: log.members })}\n`;
  for (const event of events) yield `${JSON.stringify(event)}\n`;
  for (const message of log.messages) yield `${JSON.stringify({ what: 'logged', ...message })}\n`;
  for (const mark of marks) yield `${JSON.stringify({ what: 'mark', ...mark })}\n`;
}
