import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { connectBus, type Bus } from '@godwit/bus/bus';
import type { StoredRecord } from '@godwit/bus/read-back';
import { EVENTS } from '@godwit/bus/streams';
import { decodeFacts } from '@godwit/events/read-facts';
import { privateConversation } from '@godwit/ids/conversation';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { askFacts, sampleQuery, type TableRow } from '@godwit/testkit/fact-table';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { device, fleetOfFile, NAMESPACE, type Watched } from './people.js';

const EXPORTER = path.join(PROJECT_ROOT, 'analytics/dist/main.js');
const run = promisify(execFile);
const fleet = fleetOfFile();
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'godwit-analytics-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const environment = (folder: string) => ({
  ...process.env,
  GODWIT_NAMESPACE: NAMESPACE,
  GODWIT_NATS_URL: fleet().stack.servers.urls.nats,
  GODWIT_ANALYTICS_DIR: folder,
  GODWIT_ANALYTICS_INTERVAL: '50ms',
});

const exportOnce = (folder: string) => run(process.execPath, [EXPORTER, '--once'], { env: environment(folder) });

it('the sample queries tell what people did', async () => {
  const [alice, bob, carol] = await fleet().people(3);
  const [a, b, c] = await Promise.all([alice, bob, carol].map((person) => fleet().sdk(device(person))));
  const withBob = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
  const withCarol = privateConversation(alice?.userId ?? '', carol?.userId ?? '');
  await c?.client.call('registerPushToken', { provider: 5, token: 'token-of-carol' });
  await c?.client.close();
  for (const text of ['landed', 'in Auckland']) await a?.client.send(withBob, { text });
  const { seq } = (await b?.client.send(withBob, { text: 'all the way?' })) ?? { seq: 0 };
  await a?.client.send(withBob, { reaction: { emoji: '🐦' }, targetSeq: seq });
  await a?.client.send(withCarol, { text: 'call me' });
  await expect(a?.client.send(`g:${'a'.repeat(26)}`, { text: 'to nobody' })).rejects.toThrow();
  await waitFor(() => b?.texts(withBob).length === 2);
  const expected = {
    // Carol was not there.
    'daily-active-users': [expect.objectContaining({ users: '2' }) as unknown],
    'messages-by-type': [
      { kind: 'text', messages: '4' },
      { kind: 'reaction', messages: '1' },
    ],
    'top-errors': [{ reason: 'CONVERSATION_NOT_FOUND', refusals: '1' }],
    'push-success': [{ provider: 'log', sent: '1', asked: '1' }],
  };
  const asked = async () => {
    await exportOnce(dir);
    const answers: Record<string, TableRow[]> = {};
    for (const name of Object.keys(expected)) answers[name] = await sampleQuery(dir, name);
    return answers;
  };
  // Facts come half a second later.
  await expect.poll(asked, { timeout: 20_000 }).toEqual(expected);
  const [{ deliveries, p50_ms: p50, p99_ms: p99 } = {}] = await sampleQuery(dir, 'delivery-percentiles');
  expect(Number(deliveries)).toBeGreaterThan(0);
  expect(Number(p50)).toBeGreaterThanOrEqual(0);
  expect(Number(p99)).toBeGreaterThanOrEqual(Number(p50));
  const table = JSON.stringify(await askFacts(dir, 'FROM facts'));
  for (const secret of [alice?.userId ?? '', device(bob).deviceId, withCarol, 'Auckland', 'token-of-carol']) {
    expect(table).not.toContain(secret);
  }
});

it('an exporter that is killed while it writes loses no fact and doubles none', { timeout: 180_000 }, async () => {
  const [alice, bob] = await fleet().people(2);
  const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
  const a = await fleet().sdk(device(alice));
  await fleet().sdk(device(bob));
  const folder = path.join(dir, 'killed');
  for (let round = 0; round < 5; round++) await killedWhileWriting(folder, a, conversation);
  await fleet().closeClients();
  const facts = await factsInStream();
  expect(facts.length).toBeGreaterThan(50);
  await exportOnce(folder);
  const rows = await askFacts(folder, 'SELECT record_seq, record_row FROM facts ORDER BY record_seq, record_row');
  const last = Number(facts.at(-1)?.split(' ')[0]);
  const written = rows.filter(({ record_seq: seq }) => Number(seq) <= last);
  expect(written.map(({ record_seq: seq, record_row: row }) => `${String(seq)} ${String(row)}`)).toEqual(facts);
});

/** People chat, an exporter runs, and at the moment that it has begun a file it is killed. */
async function killedWhileWriting(folder: string, sender: Watched, conversation: string): Promise<void> {
  const scratch = path.join(folder, '_scratch');
  await mkdir(scratch, { recursive: true });
  const exporter: ChildProcess = spawn(process.execPath, [EXPORTER], { env: environment(folder), stdio: 'ignore' });
  const gone = once(exporter, 'exit');
  const sending = Promise.all(Array.from({ length: 5 }, () => sender.client.send(conversation, { text: 'hello' })));
  for await (const { eventType } of watch(scratch, { signal: AbortSignal.timeout(30_000) })) {
    if (eventType !== 'rename') continue;
    exporter.kill('SIGKILL');
    break;
  }
  expect((await gone)[1]).toBe('SIGKILL');
  await sending;
}

/** The facts that EVENTS has now: `record row`. */
async function factsInStream(): Promise<string[]> {
  const metrics = createMetrics({ service: 'test', node: 'test', processMetrics: false });
  const { nats: url } = fleet().stack.servers.urls;
  const bus: Bus = connectBus({ url, namespace: NAMESPACE, name: 'test', logger: silentLogger, metrics });
  const facts: string[] = [];
  const onRecord = ({ seq, payload }: StoredRecord): void => {
    facts.push(...(decodeFacts(payload)?.facts ?? []).map((_, row) => `${String(seq)} ${String(row)}`));
  };
  try {
    await waitFor(() => bus.connected, { what: 'NATS' });
    const bound = { records: Infinity, bytes: Infinity, timeMs: 30_000 };
    expect(await bus.readBack({ stream: EVENTS, from: { seq: 1 }, bound, onRecord })).toMatchObject({ complete: true });
  } finally {
    await bus.close();
  }
  return facts;
}
