import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { ManagedProcess, waitUntilReady } from '@godwit/local-stack/process/managed-process';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { plainEnvironment } from '@godwit/local-stack/servers/server';
import type { Account } from '../generator/client.js';
import type { Say } from '../outcome.js';
import { type Peer, peersFolder } from './peer.js';
import { output } from './run-program.js';

const MODULE = 'github.com/centrifugal/centrifugo/v6';
const VERSION = 'v6.9.1';
const READY_MS = 30_000;
const TOKEN_SECONDS = 24 * 3_600;

export interface Centrifugo extends Peer {
  /** Nobody has to be told to it: whoever has a token is a user. */
  readonly users: (count: number) => Account[];
}

/** So many nodes that know nothing of each other, which is enough for sockets that are idle. @throws PeerMissing */
export async function startCentrifugo(nodes: number, say: Say): Promise<Centrifugo> {
  const binary = await centrifugoBinary(say);
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-bench-centrifugo-'));
  const watchdog = Watchdog.start();
  watchdog.removeAtEnd(dir);
  const secret = randomBytes(32).toString('hex');
  try {
    const started = await Promise.all(
      Array.from({ length: nodes }, (_, index) => startNode({ binary, dir, index, secret }, watchdog)),
    );
    return {
      title: `Centrifugo ${VERSION.slice(1)}, which stores nothing`,
      system: 'centrifugo',
      urls: started.map(({ port }) => `ws://${LOOPBACK}:${String(port)}`),
      processes: () => started.map(({ managed }) => ({ name: managed.name, pid: managed.pid ?? 0 })),
      users: (count) => Array.from({ length: count }, () => userOf(secret)),
      [Symbol.asyncDispose]: async () => {
        await Promise.all(started.map(({ managed }) => managed.stop()));
        await watchdog.close();
      },
    };
  } catch (error) {
    await watchdog.close();
    throw error;
  }
}

/** Built once by Go, whose module proxy checks what it fetches against its checksum database. */
async function centrifugoBinary(say: Say): Promise<string> {
  const binary = path.join(peersFolder(), `centrifugo-${VERSION}`);
  if (existsSync(binary)) return binary;
  await output('go', ['version']);
  say(`Building Centrifugo ${VERSION} with Go (once) ...`);
  await mkdir(peersFolder(), { recursive: true });
  const scratch = await mkdtemp(path.join(peersFolder(), 'build-'));
  try {
    await output('go', ['install', `${MODULE}@${VERSION}`], { env: { GOBIN: scratch }, timeoutMs: 900_000 });
    await rename(path.join(scratch, 'centrifugo'), binary);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return binary;
}

interface NodePlan {
  readonly binary: string;
  readonly dir: string;
  readonly index: number;
  readonly secret: string;
}

async function startNode(
  { binary, dir, index, secret }: NodePlan,
  watchdog: Watchdog,
): Promise<{ managed: ManagedProcess; port: number }> {
  const port = await freePort();
  const name = `centrifugo-${String(index)}`;
  const file = path.join(dir, `${name}.json`);
  await writeFile(file, JSON.stringify(configuration(port, secret)));
  const spec = {
    name,
    command: binary,
    args: ['--config', file],
    env: plainEnvironment(),
    cwd: dir,
    logFile: path.join(dir, `${name}.log`),
  };
  const managed = new ManagedProcess(spec, watchdog);
  await managed.start();
  await waitUntilReady(managed, {
    timeoutMs: READY_MS,
    check: async () => {
      const { ok, status } = await fetch(`http://${LOOPBACK}:${String(port)}/health`);
      return ok ? undefined : `HTTP ${String(status)}`;
    },
  });
  return { managed, port };
}

/** As it comes, but for who may publish, and a heartbeat as often as Godwit's. */
function configuration(port: number, secret: string): object {
  return {
    http_server: { address: LOOPBACK, port: String(port) },
    log: { level: 'warn' },
    health: { enabled: true },
    client: { token: { hmac_secret_key: secret }, ping_interval: '20s', allowed_origins: [] },
    channel: {
      without_namespace: { allow_subscribe_for_client: true, allow_publish_for_subscriber: true },
    },
  };
}

function userOf(secret: string): Account {
  const userId = randomBytes(8).toString('hex');
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const expires = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS;
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: userId, exp: expires })}`;
  const signature = createHmac('sha256', secret).update(signed).digest('base64url');
  return { userId, deviceId: 'bench', token: `${signed}.${signature}` };
}
