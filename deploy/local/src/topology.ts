import path from 'node:path';
import { PROJECT_ROOT } from './project-root.js';
import type { StackSecrets } from './secrets.js';

/** One kind of service in the local fleet. */
export interface FleetService {
  readonly service: string;
  readonly replicas: number;
  /** Services of a lower tier are stopped first: the edges drain while all behind them still answers. */
  readonly stopTier: number;
  /** What is started with Node. */
  readonly main: string;
  /** Listens for clients, too. */
  readonly public?: boolean;
  /** Whether others call it, so that all get its addresses in GODWIT_<SERVICE>_NODES. */
  readonly called?: boolean;
  readonly env?: (site: LocalSite) => Readonly<Record<string, string>>;
}

/** What the environment of a service can be made from. */
export interface LocalSite {
  /** Folder of the stack's state. */
  readonly dir: string;
  readonly smsOutbox: string;
  readonly secrets: StackSecrets;
}

export interface Replica {
  readonly name: string;
  readonly service: FleetService;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Only for those which listen for clients. */
  readonly publicPort?: number;
}

function mainOf(service: string): string {
  return path.join(PROJECT_ROOT, 'services', service, 'dist', 'main.js');
}

/** The local fleet, in the order in which it is shown. */
export const GODWIT_FLEET: readonly FleetService[] = [
  { service: 'edge', replicas: 2, stopTier: 0, main: mainOf('edge'), public: true },
  { service: 'router', replicas: 2, stopTier: 1, main: mainOf('router'), called: true },
  { service: 'message-store', replicas: 2, stopTier: 2, main: mainOf('message-store'), called: true },
  { service: 'session', replicas: 2, stopTier: 2, main: mainOf('session'), called: true },
  { service: 'group', replicas: 1, stopTier: 2, main: mainOf('group'), called: true },
  {
    service: 'account',
    replicas: 1,
    stopTier: 2,
    main: mainOf('account'),
    called: true,
    env: (site) => ({
      GODWIT_SMS_OUTBOX: site.smsOutbox,
      GODWIT_BOOTSTRAP_API_KEY: site.secrets.adminApiKey,
      GODWIT_MASTER_KEY: site.secrets.masterKey,
      GODWIT_PHONE_PEPPER: site.secrets.phonePepper,
    }),
  },
  { service: 'presence', replicas: 1, stopTier: 2, main: mainOf('presence'), called: true },
  { service: 'push', replicas: 1, stopTier: 2, main: mainOf('push'), called: true },
];

/** The same fleet with other counts of replicas, `router=3,session=3`. @throws RangeError naming what is wrong */
export function fleetWith(counts: string, fleet = GODWIT_FLEET): readonly FleetService[] {
  const wanted = new Map(counts.split(',').map((entry) => entry.split('=', 2) as [string, string | undefined]));
  for (const [name, count] of wanted) {
    if (!fleet.some(({ service }) => service === name)) throw new RangeError(`There is no service ${name}.`);
    if (!/^[1-9]$/.test(count ?? '')) throw new RangeError(`Expected ${name}=1 to ${name}=9.`);
  }
  return fleet.map((one) => ({ ...one, replicas: Number(wanted.get(one.service) ?? one.replicas) }));
}

/** First port of each kind; the others of a kind follow it. */
export interface PortPlan {
  readonly edge: number;
  readonly grpc: number;
  readonly http: number;
  readonly mongo: number;
  readonly nats: number;
  readonly redis: number;
}

/** Unusual on purpose: what a developer has running on the usual ports stays untouched. */
export const DEFAULT_PORTS: PortPlan = {
  edge: 8080,
  grpc: 7100,
  http: 9100,
  mongo: 27_117,
  nats: 4322,
  redis: 6479,
};

/** All ports within 300 from one number, for a second stack beside the first. */
export function portsFrom(base: number): PortPlan {
  return { edge: base, mongo: base + 10, nats: base + 20, redis: base + 30, grpc: base + 100, http: base + 200 };
}

export const PORT_VARIABLES: Readonly<Record<keyof PortPlan, string>> = {
  edge: 'GODWIT_PORT_EDGE',
  grpc: 'GODWIT_PORT_GRPC',
  http: 'GODWIT_PORT_HTTP',
  mongo: 'GODWIT_PORT_MONGO',
  nats: 'GODWIT_PORT_NATS',
  redis: 'GODWIT_PORT_REDIS',
};

/** Gives out the ports of one kind one after the other: from a plan, or free ones. */
export type PortSource = (kind: keyof PortPlan) => number | Promise<number>;

export function planned(plan: PortPlan): PortSource {
  const used = new Map<string, number>();
  return (kind) => {
    const index = used.get(kind) ?? 0;
    used.set(kind, index + 1);
    return plan[kind] + index;
  };
}

export async function replicasOf(fleet: readonly FleetService[], port: PortSource): Promise<Replica[]> {
  const replicas: Replica[] = [];
  for (const service of fleet) {
    for (let index = 0; index < service.replicas; index += 1) {
      replicas.push({
        name: `${service.service}-${String(index)}`,
        service,
        grpcPort: await port('grpc'),
        httpPort: await port('http'),
        ...(service.public === true ? { publicPort: await port('edge') } : {}),
      });
    }
  }
  return replicas;
}
