import { connect } from 'node:net';
import { StackError } from '../stack-error.js';

/** URLs of servers that exist already and are used instead of starting our own. */
export interface ExistingServers {
  readonly mongo?: string | undefined;
  readonly nats?: string | undefined;
  readonly redis?: string | undefined;
}

const VARIABLES = { mongo: 'GODWIT_MONGO_URL', nats: 'GODWIT_NATS_URL', redis: 'GODWIT_REDIS_URL' } as const;
const DEFAULT_PORTS = { mongo: 27_017, nats: 4_222, redis: 6_379 } as const;
const KINDS = ['mongo', 'nats', 'redis'] as const;
const CONNECT_MS = 2_000;

export function existingServersFrom(env: NodeJS.ProcessEnv): ExistingServers {
  const given = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  return { mongo: given(VARIABLES.mongo), nats: given(VARIABLES.nats), redis: given(VARIABLES.redis) };
}

/**
 * Services wait for a server that is not there yet, which is right in a cluster and a riddle here.
 * @throws StackError naming the variable whose server does not answer
 */
export async function assertAnswering(existing: ExistingServers): Promise<void> {
  for (const kind of KINDS) {
    const url = existing[kind];
    // Only DNS knows the hosts of mongodb+srv.
    if (url === undefined || url.startsWith('mongodb+srv:')) continue;
    const hosts = hostsOf(url, DEFAULT_PORTS[kind]);
    if (hosts.length === 0) throw new StackError(`${VARIABLES[kind]} is no URL of the form scheme://host:port.`);
    const answers = await Promise.all(hosts.map(accepts));
    if (answers.includes(true)) continue;
    const where = hosts.map(({ host, port }) => `${host}:${String(port)}`).join(' or ');
    throw new StackError(
      `${VARIABLES[kind]} is set, and nothing answers at ${where}. Start that server, or unset the variable.`,
    );
  }
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Of `scheme://[user:password@]host[:port],...`, where NATS repeats the scheme for each; empty for anything else. */
function hostsOf(url: string, defaultPort: number): Address[] {
  if (!/^[a-z]+:\/\//.test(url)) return [];
  const [addresses = ''] = url.split('?');
  return addresses.split(',').flatMap((entry) => {
    const [, host, port] =
      /^(?:[a-z]+:\/\/)?(?:[^@/]*@)?([\w.-]+|\[[\d:a-f]+\])(?::(\d{1,5}))?(?:\/.*)?$/.exec(entry) ?? [];
    return host === undefined ? [] : [{ host: host.replaceAll(/[[\]]/g, ''), port: Number(port ?? defaultPort) }];
  });
}

function accepts({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => {
      end(true);
    });
    socket.once('error', () => {
      end(false);
    });
    socket.once('timeout', () => {
      end(false);
    });
  });
}
