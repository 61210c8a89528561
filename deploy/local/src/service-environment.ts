import { buildEnvironment } from './build.js';
import { LOOPBACK } from './ports.js';
import { plainEnvironment } from './servers/server.js';
import type { StackSecrets } from './secrets.js';
import type { Replica } from './topology.js';

export interface FleetSettings {
  readonly site: { readonly dir: string; readonly smsOutbox: string };
  readonly namespace: string;
  readonly secrets: StackSecrets;
  readonly urls: { readonly mongo: string; readonly nats: string; readonly redis: string };
  readonly replicas: readonly Replica[];
  /** Given to every service, over what this file says. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Given to all replicas of a service (`router`) or to one (`router-0`), over all else. */
  readonly envOf: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function edgeUrls(replicas: readonly Replica[]): string[] {
  return replicas.flatMap(({ publicPort }) =>
    publicPort === undefined ? [] : [`ws://${LOOPBACK}:${String(publicPort)}`],
  );
}

/** The whole environment of one replica. */
export function environmentOf(replica: Replica, settings: FleetSettings): Record<string, string | undefined> {
  const { service } = replica;
  return {
    ...plainEnvironment(),
    ...commonEnvironment(settings),
    GODWIT_NODE: replica.name,
    GODWIT_GRPC_LISTEN: `${LOOPBACK}:${String(replica.grpcPort)}`,
    GODWIT_HTTP_LISTEN: `${LOOPBACK}:${String(replica.httpPort)}`,
    ...publicEnvironment(replica, settings),
    ...service.env?.({ ...settings.site, secrets: settings.secrets }),
    ...settings.env,
    ...settings.envOf[service.service],
    ...settings.envOf[replica.name],
  };
}

function commonEnvironment(settings: FleetSettings): Record<string, string> {
  return {
    GODWIT_ENV: 'development',
    ...buildEnvironment(),
    GODWIT_NAMESPACE: settings.namespace,
    GODWIT_FLEET_TOKEN: settings.secrets.fleetToken,
    GODWIT_MONGO_URL: settings.urls.mongo,
    GODWIT_NATS_URL: settings.urls.nats,
    GODWIT_REDIS_URL: settings.urls.redis,
    ...peerAddresses(settings.replicas),
  };
}

function publicEnvironment({ publicPort }: Replica, settings: FleetSettings): Record<string, string> {
  if (publicPort === undefined) return {};
  return {
    GODWIT_EDGE_LISTEN: `${LOOPBACK}:${String(publicPort)}`,
    GODWIT_EDGE_PUBLIC_URLS: edgeUrls(settings.replicas).join(','),
  };
}

/** `GODWIT_MESSAGE_STORE_NODES=message-store-0=127.0.0.1:7104,...` for each service that others call. */
export function peerAddresses(replicas: readonly Replica[]): Record<string, string> {
  const addresses: Record<string, string> = {};
  for (const { name, service, grpcPort } of replicas) {
    if (service.called !== true) continue;
    const variable = `GODWIT_${service.service.toUpperCase().replaceAll('-', '_')}_NODES`;
    const node = `${name}=${LOOPBACK}:${String(grpcPort)}`;
    addresses[variable] = addresses[variable] === undefined ? node : `${addresses[variable]},${node}`;
  }
  return addresses;
}
