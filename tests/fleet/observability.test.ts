import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { memoryStorage } from '@godwit/client/storage';
import { privateConversation } from '@godwit/ids/conversation';
import { freePort } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import type { Server } from '@godwit/local-stack/servers/server';
import { startPrometheus } from '@godwit/local-stack/servers/start-prometheus';
import { StackError } from '@godwit/local-stack/stack-error';
import * as ofLibs from '@godwit/telemetry/catalogue/libs';
import * as ofServices from '@godwit/telemetry/catalogue/services';
import type { AnyDeclaration } from '@godwit/telemetry/metrics';
import { PROCESS_METRICS } from '@godwit/telemetry/process-metrics';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, fleetOfFile } from './people.js';

const fleet = fleetOfFile();
const watchdog = Watchdog.start();
let prometheus: Server | undefined;
/** Why there is none. */
let without = '';

beforeAll(async () => {
  const { stack } = fleet();
  try {
    prometheus = await startPrometheus({
      dir: path.join(stack.dir, 'prometheus'),
      port: await freePort(),
      watchdog,
      targets: stack.replicas.map(({ httpPort }) => `127.0.0.1:${String(httpPort)}`),
      scrapeSeconds: 1,
    });
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    without = error.message;
    console.log(`Dashboards and rules were not run against the fleet. ${error.message}`);
  }
  // Prometheus sees what happens between two of its looks, so it looks once before anything happens.
  const seen = async (): Promise<boolean> => (await query('count(up == 1)')) === stack.replicas.length;
  if (prometheus !== undefined) await waitFor(seen, { timeoutMs: 20_000, what: 'Prometheus to see all processes' });
  await traffic();
});

afterAll(async () => {
  await watchdog.close();
});

/** A little of everything that a fleet does in a day. */
async function traffic(): Promise<void> {
  const [alice, bob, carol] = await fleet().people(3);
  const a = await fleet().sdk(device(alice), { edges: [fleet().edge(0)] });
  const b = await fleet().sdk(device(bob), { edges: [fleet().edge(1)], storage: memoryStorage() });
  const c = await fleet().sdk(device(carol));
  const ids = { a: alice?.userId ?? '', b: bob?.userId ?? '', c: carol?.userId ?? '' };
  const conversation = privateConversation(ids.a, ids.b);
  await c.client.call('registerPushToken', { provider: 5, token: 'token-of-carol' });
  await c.client.close();
  await a.client.call('updateProfile', { displayName: 'Alice' });
  for (let i = 0; i < 20; i += 1) {
    await a.client.send(conversation, { text: `a ${String(i)}` });
    await b.client.send(conversation, { text: `b ${String(i)}` });
  }
  await a.client.send(privateConversation(ids.a, ids.c), { text: 'wake up' });
  await a.client.call('createGroup', { clientRequestId: 'birds', name: 'Birds', memberUserIds: [ids.b, ids.c] });
  await refused(a.client.send(`g:${'a'.repeat(26)}`, { text: 'to nobody' }));
  await waitFor(() => b.texts(conversation).length === 20);
  const http = fleet().edge(0).replace(/^ws/, 'http');
  await fetch(`${http}/v1/registerUser`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ phone: '+12025550188', userName: 'dora' }),
  });
  const foreign = await fleet().foreign(device(alice));
  foreign.close();
}

async function refused(sent: Promise<unknown>): Promise<void> {
  await expect(sent).rejects.toThrow();
}

interface Answer {
  readonly status: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

async function ask(expression: string): Promise<Answer['data']['result']> {
  const url = new URL('/api/v1/query', prometheus?.url);
  url.searchParams.set('query', expression);
  const response = await fetch(url);
  const answer = (await response.json()) as Answer;
  if (answer.status !== 'success') throw new Error(`${expression}: ${JSON.stringify(answer)}`);
  return answer.data.result;
}

async function query(expression: string): Promise<number | undefined> {
  const value = (await ask(expression))[0]?.value[1];
  return value === undefined ? undefined : Number(value);
}

interface Scraped {
  readonly name: string;
  readonly service: string;
  readonly lines: readonly string[];
}

async function scrapeAll(): Promise<Scraped[]> {
  const { stack } = fleet();
  return Promise.all(
    stack.replicas.map(async ({ name, service }) => {
      const text = await (await fetch(`${stack.httpUrl(name)}/metrics`)).text();
      return { name, service: service.service, lines: text.split('\n') };
    }),
  );
}

const typesIn = ({ lines }: Scraped): string[] => lines.flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []);

const declarations: readonly AnyDeclaration[] = [...Object.values(ofLibs), ...Object.values(ofServices)];

describe('the metrics of a real fleet', () => {
  it('are those of the catalogue: none that is not listed, none that nobody exports', async () => {
    const listed = new Set<string>([...declarations.map(({ name }) => name), ...PROCESS_METRICS]);
    const exported = new Set<string>();
    for (const process of await scrapeAll()) {
      for (const name of typesIn(process)) {
        exported.add(name);
        expect(listed, `${process.name} exports ${name}`).toContain(name);
      }
    }
    expect(
      [...listed].filter((name) => !exported.has(name)),
      'exported by nobody',
    ).toEqual([]);
  });

  it('are exported by the service that their name says', async () => {
    const shared = /^godwit_(process|rpc|batch|bus|events|mongo|redis)_/;
    for (const process of await scrapeAll()) {
      const own = `godwit_${process.service === 'message-store' ? 'store' : process.service}_`;
      const foreign = typesIn(process).filter(
        (name) => name.startsWith('godwit_') && !shared.test(name) && !name.startsWith(own),
      );
      expect(foreign, process.name).toEqual([]);
    }
  });

  it('say of every process which build it is, the same', async () => {
    const builds = (await scrapeAll()).map(
      ({ lines }) => /^godwit_process_build_info\{(version="[^"]+",revision="[^"]+")/m.exec(lines.join('\n'))?.[1],
    );
    expect([...new Set(builds)]).toEqual([expect.stringMatching(/^version="\d+\.\d+\.\d+"/)]);
  });

  it('have no label value that is not listed', async () => {
    const others = (await scrapeAll()).flatMap(({ name, lines }) =>
      lines.filter((line) => line.includes('="other"')).map((line) => `${name}: ${line}`),
    );
    expect(others).toEqual([]);
  });
});

describe('the status page of an edge', () => {
  it('tells on the internal HTTP what the edge does', async () => {
    const inside = fleet().stack.httpUrl('edge-0');
    const status: unknown = await (await fetch(`${inside}/status.json`)).json();
    expect(status).toMatchObject({ node: 'edge-0', ready: true, links: expect.arrayContaining([]) as unknown });
    const { links } = status as { links: readonly { peer: string; up: boolean }[] };
    expect(links.filter(({ up }) => up).map(({ peer }) => peer)).toEqual(
      expect.arrayContaining(['router-0', 'router-1', 'session-0', 'session-1', 'presence-0']),
    );
    const page = await fetch(`${inside}/status`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('router-1');
  });

  it('is nothing that clients see', async () => {
    const outside = fleet().edge(0).replace(/^ws/, 'http');
    for (const path of ['/status', '/status.json', '/metrics', '/log-level']) {
      expect((await fetch(`${outside}${path}`)).status, path).toBe(404);
    }
  });
});

describe('the log level', () => {
  it('is changed in one running process, over HTTP and by a signal', async () => {
    const { stack } = fleet();
    const url = `${stack.httpUrl('router-0')}/log-level`;
    const level = async (method = 'GET', query = ''): Promise<string> =>
      ((await (await fetch(`${url}${query}`, { method })).json()) as { level: string }).level;
    expect(await level('POST', '?level=debug&minutes=1')).toBe('debug');
    expect(await level('POST', '?level=configured')).toBe('info');
    stack.process('router-0').signal('SIGUSR2');
    await waitFor(async () => (await level()) === 'debug');
    stack.process('router-0').signal('SIGUSR2');
    await waitFor(async () => (await level()) === 'info');
  });
});

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const DASHBOARDS = path.join(PROJECT_ROOT, 'observability', 'dashboards');
const dashboardFiles = readdirSync(DASHBOARDS).filter((file) => file.endsWith('.json'));

describe('with a real Prometheus', () => {
  it.for(dashboardFiles)('no query of %s is empty', async (file, { skip }) => {
    if (prometheus === undefined) return skip(without);
    const { panels } = JSON.parse(readFileSync(path.join(DASHBOARDS, file), 'utf8')) as { panels: readonly Panel[] };
    expect(panels.length).toBeGreaterThan(4);
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const expression = expr.replaceAll('$__rate_interval', '2m');
        // Rules and rates need a second look at what has happened.
        await expect
          .poll(async () => (await ask(expression)).length, { timeout: 15_000, message: `${title}: ${expr}` })
          .toBeGreaterThan(0);
      }
    }
  });

  it('counted what was sent, and nothing is wrong', async ({ skip }) => {
    if (prometheus === undefined) return skip(without);
    await expect.poll(() => query('sum(increase(godwit_edge_send_seconds_count[5m]))')).toBeGreaterThan(40);
    expect(await query('godwit:send:error_ratio5m')).toBe(0);
    expect(await query('sum(godwit_store_log_holes_total)')).toBe(0);
    expect(await ask('ALERTS{severity="page"}')).toEqual([]);
  });
});
