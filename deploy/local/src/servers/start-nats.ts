import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { assertPortFree, LOOPBACK, NATS_ROUTE_OFFSET } from '../ports.js';
import { ManagedProcess, waitUntilReady } from '../process/managed-process.js';
import { StackError } from '../stack-error.js';
import { acquireServer } from './acquire-server.js';
import { plainEnvironment, type Server, type ServerOptions, serverOf } from './server.js';

export interface NatsServer extends Server {
  /** Kills these members (default all) and starts them on empty disks. Of all: every stream, consumer and message is lost. */
  wipe(members?: readonly number[]): Promise<void>;
}

/** One nats-server with JetStream on disk for each port; several are a cluster, in which streams can have copies. */
export async function startNats(options: ServerOptions): Promise<NatsServer> {
  const { ports } = options;
  if (ports.length === 0) throw new StackError('NATS needs at least one port.');
  const { binary } = await acquireServer('nats-server', options);
  const taken = ports.length === 1 ? ports : ports.flatMap((port) => [port, port + NATS_ROUTE_OFFSET]);
  for (const port of taken) {
    await assertPortFree({ port, what: 'NATS', wayOut: 'Stop it, or set GODWIT_PORT_NATS or --port-base.' });
  }
  const processes = ports.map((_, index) => natsProcess(options, { binary, index }));
  const server = serverOf({
    url: ports.map((port) => `nats://${LOOPBACK}:${String(port)}`).join(','),
    processes,
    ready: async () => {
      await Promise.all(
        processes.map((managed, index) => {
          const port = ports[index] ?? 0;
          const check = (): Promise<string | undefined> => complaintOfNats(port, ports.length > 1);
          return waitUntilReady(managed, { timeoutMs: 30_000, check });
        }),
      );
    },
  });
  await server.start();
  return {
    ...server,
    wipe: async (members = [...ports.keys()]) => {
      await Promise.all(processes.filter((_, index) => members.includes(index)).map((member) => member.kill()));
      await Promise.all(members.map((index) => rm(storeOf(options, index), { recursive: true, force: true })));
      await server.start();
    },
  };
}

function storeOf({ dir, ports }: ServerOptions, index: number): string {
  return path.join(dir, ports.length === 1 ? 'data' : `data-${String(index)}`);
}

function natsProcess(options: ServerOptions, { binary, index }: { binary: string; index: number }): ManagedProcess {
  const { dir, ports } = options;
  const alone = ports.length === 1;
  const name = alone ? 'nats' : `nats-${String(index)}`;
  const port = ports[index] ?? 0;
  const network = ['--addr', LOOPBACK, '--port', String(port), '--name', alone ? 'godwit-local' : name];
  const storage = ['--jetstream', '--store_dir', storeOf(options, index)];
  const spec = {
    name,
    command: binary,
    args: [...network, ...storage, ...(alone ? [] : clusterArguments(ports, index))],
    env: plainEnvironment(),
    cwd: dir,
    logFile: path.join(dir, `${name}.log`),
  };
  return new ManagedProcess(spec, options.watchdog);
}

function clusterArguments(ports: readonly number[], index: number): string[] {
  const route = (port: number): string => `nats://${LOOPBACK}:${String(port + NATS_ROUTE_OFFSET)}`;
  const others = ports.filter((_, other) => other !== index).map(route);
  return ['--cluster_name', 'godwit', '--cluster', route(ports[index] ?? 0), '--routes', others.join(',')];
}

/**
 * A NATS server greets every connection with an INFO line which says whether JetStream is up. In a cluster it also takes
 * a leader before JetStream answers anything.
 */
function complaintOfNats(port: number, clustered: boolean): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: LOOPBACK, timeout: 1000 });
    let heard = '';
    const answer = (complaint: string | undefined): void => {
      socket.destroy();
      resolve(complaint);
    };
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const greeted = heard.includes('\r\n');
      heard += chunk;
      if (!heard.includes('\r\n')) return;
      if (!/"jetstream":\s*true/.test(heard)) answer('JetStream is not up');
      else if (!clustered) answer(undefined);
      else if (!greeted) socket.write(ASK_JETSTREAM);
      if (heard.includes('\r\nMSG ') || heard.includes('account_info_response')) {
        answer(heard.includes('"error"') ? 'JetStream has no leader yet' : undefined);
      }
    });
    socket.on('timeout', () => {
      answer('JetStream gives no answer');
    });
    socket.on('error', reject);
    socket.on('end', () => {
      reject(new Error('connection closed without a greeting'));
    });
  });
}

const ASK_JETSTREAM = [
  'CONNECT {"verbose":false,"pedantic":false}',
  'SUB _INBOX.ready 1',
  'PUB $JS.API.INFO _INBOX.ready 0',
  '',
  '',
].join('\r\n');
