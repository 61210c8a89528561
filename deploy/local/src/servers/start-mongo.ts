import path from 'node:path';
import { type Document, MongoClient, MongoServerError } from 'mongodb';
import { assertPortFree, LOOPBACK } from '../ports.js';
import { ManagedProcess, waitUntilReady } from '../process/managed-process.js';
import type { Watchdog } from '../process/watchdog.js';
import { StackError } from '../stack-error.js';
import { acquireServer } from './acquire-server.js';
import { plainEnvironment, type Server, type ServerOptions, serverOf } from './server.js';

const REPLICA_SET = 'rs0';
const NOT_YET_INITIALIZED = 94;
/** The members share one machine with everything else. */
const CACHE_GB = { alone: '0.5', ofSeveral: '0.25' };

export interface MongoServer extends Server {
  /** The process which is primary now. */
  primary(): Promise<ManagedProcess>;
}

/** A replica set of one member for each port: transactions and change streams need a set, even of one. */
export async function startMongo(options: ServerOptions): Promise<MongoServer> {
  const { binary } = await acquireServer('mongod', options);
  for (const port of options.ports) {
    await assertPortFree({ port, what: 'MongoDB', wayOut: 'Stop it, or set GODWIT_PORT_MONGO or --port-base.' });
  }
  const members = options.ports.map((port, index) => {
    const name = options.ports.length === 1 ? 'mongo' : `mongo-${String(index)}`;
    return { port, managed: mongodProcess({ name, port, binary, server: options }) };
  });
  const hosts = options.ports.map((port) => `${LOOPBACK}:${String(port)}`);
  const ready = (): Promise<void> => untilPrimary(members, hosts);
  const server = serverOf({
    url: `mongodb://${hosts.join(',')}/?replicaSet=${REPLICA_SET}`,
    processes: members.map((member) => member.managed),
    ready,
  });
  await server.start();
  return { ...server, primary: () => primaryOf(members) };
}

interface Member {
  readonly port: number;
  readonly managed: ManagedProcess;
}

interface MongodPlan {
  readonly name: string;
  readonly port: number;
  readonly binary: string;
  readonly server: { readonly dir: string; readonly ports: readonly number[]; readonly watchdog: Watchdog };
}

function mongodProcess(plan: MongodPlan): ManagedProcess {
  const { server } = plan;
  const dbPath = path.join(server.dir, plan.name);
  const cache = server.ports.length === 1 ? CACHE_GB.alone : CACHE_GB.ofSeveral;
  const network = ['--bind_ip', LOOPBACK, '--port', String(plan.port), '--nounixsocket', '--replSet', REPLICA_SET];
  const storage = ['--dbpath', '.', '--wiredTigerCacheSizeGB', cache, '--oplogSize', '512'];
  const parameters = [
    'diagnosticDataCollectionEnabled=false',
    // On SIGTERM a primary waits this long for clients to finish; 15 s by default.
    'shutdownTimeoutMillisForSignaledShutdown=100',
  ].flatMap((parameter) => ['--setParameter', parameter]);
  const spec = {
    name: plan.name,
    command: plan.binary,
    args: [...network, ...storage, '--quiet', ...parameters],
    env: plainEnvironment(),
    cwd: dbPath,
    logFile: path.join(server.dir, `${plan.name}.log`),
  };
  return new ManagedProcess(spec, server.watchdog);
}

async function untilPrimary(members: readonly Member[], hosts: readonly string[]): Promise<void> {
  const [first] = members;
  if (first === undefined) throw new StackError('MongoDB needs at least one port.');
  for (const member of members) {
    await waitUntilReady(member.managed, {
      timeoutMs: 30_000,
      check: () => withAdmin(member.port, (admin) => admin({ ping: 1 }).then(() => undefined)),
    });
  }
  await withAdmin(first.port, (admin) => configure(admin, hosts));
  await waitUntilReady(first.managed, {
    timeoutMs: 30_000,
    check: async () => ((await primaryPort(members)) === undefined ? 'no primary yet' : undefined),
  });
}

type AdminCommand = (command: Document) => Promise<Document>;

async function withAdmin<T>(port: number, act: (admin: AdminCommand) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://${LOOPBACK}:${String(port)}/?directConnection=true`, {
    serverSelectionTimeoutMS: 1000,
    connectTimeoutMS: 1000,
    maxPoolSize: 1,
  });
  try {
    await client.connect();
    return await act((command) => client.db('admin').command(command));
  } finally {
    await client.close();
  }
}

/** Makes the set the first time, and moves it when the same data are started on other ports. */
async function configure(admin: AdminCommand, hosts: readonly string[]): Promise<void> {
  const members = hosts.map((host, _id) => ({ _id, host }));
  try {
    const { config } = (await admin({ replSetGetConfig: 1, $readPreference: { mode: 'nearest' } })) as {
      config: { version: number; members: { host: string }[] };
    };
    if (config.members.map((member) => member.host).join() === hosts.join()) return;
    await admin({ replSetReconfig: { ...config, members, version: config.version + 1 }, force: true });
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== NOT_YET_INITIALIZED) throw error;
    const settings = { electionTimeoutMillis: 3000 };
    await admin({ replSetInitiate: { _id: REPLICA_SET, members, settings } });
  }
}

async function primaryPort(members: readonly Member[]): Promise<number | undefined> {
  for (const { port, managed } of members) {
    if (!managed.running) continue;
    const hello = await withAdmin(port, (admin) => admin({ hello: 1 }));
    if (hello['isWritablePrimary'] === true) return port;
  }
  return undefined;
}

async function primaryOf(members: readonly Member[]): Promise<ManagedProcess> {
  const port = await primaryPort(members);
  const member = members.find((candidate) => candidate.port === port);
  if (member === undefined) throw new StackError('The MongoDB replica set has no primary now.');
  return member.managed;
}
