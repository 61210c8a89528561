import { connect } from 'node:net';
import path from 'node:path';
import { assertPortFree, LOOPBACK } from '../ports.js';
import { ManagedProcess, waitUntilReady } from '../process/managed-process.js';
import { StackError } from '../stack-error.js';
import { acquireServer } from './acquire-server.js';
import { plainEnvironment, type Server, type ServerOptions, serverOf } from './server.js';

/** One nats-server with JetStream on disk. */
export async function startNats(options: ServerOptions): Promise<Server> {
  const [port] = options.ports;
  if (port === undefined) throw new StackError('NATS needs one port.');
  const { binary } = await acquireServer('nats-server', options);
  await assertPortFree({ port, what: 'NATS', wayOut: 'Stop it, or set GODWIT_PORT_NATS or --port-base.' });
  const args = [
    '--addr',
    LOOPBACK,
    '--port',
    String(port),
    '--jetstream',
    '--store_dir',
    path.join(options.dir, 'data'),
  ];
  const managed = new ManagedProcess(
    {
      name: 'nats',
      command: binary,
      args: [...args, '--name', 'godwit-local'],
      env: plainEnvironment(),
      cwd: options.dir,
      logFile: path.join(options.dir, 'nats.log'),
    },
    options.watchdog,
  );
  const server = serverOf({
    url: `nats://${LOOPBACK}:${String(port)}`,
    processes: [managed],
    ready: () => waitUntilReady(managed, { timeoutMs: 20_000, check: () => complaintOfNats(port) }),
  });
  await server.start();
  return server;
}

/** A NATS server greets every connection with an INFO line which says whether JetStream is up. */
function complaintOfNats(port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: LOOPBACK, timeout: 1000 });
    let greeting = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      greeting += chunk;
      if (!greeting.includes('\r\n')) return;
      socket.destroy();
      resolve(/"jetstream":\s*true/.test(greeting) ? undefined : 'JetStream is not up');
    });
    socket.on('timeout', () => socket.destroy(new Error('no greeting')));
    socket.on('error', reject);
    socket.on('end', () => {
      reject(new Error('connection closed without a greeting'));
    });
  });
}
