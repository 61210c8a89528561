import type { Account, ClientSpec } from '../generator/client.js';
import type { Commands, System } from '../generator/commands.js';
import type { Generators } from '../generator-process.js';
import type { Outcome, PeerFound, Say, Settings } from '../outcome.js';

export interface Context {
  readonly settings: Settings;
  readonly say: Say;
}

export type Scenario = (context: Context) => Promise<Outcome>;

/** The same for somebody else's system. @throws PeerMissing */
export type PeerScenario = (context: Context) => Promise<PeerFound>;

/** The merged acks of a client: "a few times a second" (docs/protocol.md). */
export const ACK_EVERY_MS = 250;
/** What `welcome` asks for by default. */
export const HEARTBEAT_MS = 20_000;
export const CONNECT_AT_A_TIME = 64;

export function connection(
  clients: readonly ClientSpec[],
  settings: Pick<Settings, 'payloadBytes'>,
  system: System = 'godwit',
): Commands['connect']['ask'] {
  return {
    system,
    clients,
    atATime: CONNECT_AT_A_TIME,
    payloadBytes: settings.payloadBytes,
    ackEveryMs: ACK_EVERY_MS,
    pingEveryMs: HEARTBEAT_MS,
  };
}

/** Clients dealt out to generators and edges in turn. */
export function dealt(
  specs: readonly ClientSpec[],
  { generators, edges }: { generators: Generators; edges: readonly string[] },
): ClientSpec[][] {
  const shares: ClientSpec[][] = generators.all.map(() => []);
  specs.forEach((spec, index) => {
    const url = spec.url === '' ? (edges[index % edges.length] ?? '') : spec.url;
    shares[index % shares.length]?.push({ ...spec, url });
  });
  return shares;
}

export function specOf(account: Account, targets: readonly string[] = [], url = ''): ClientSpec {
  return { account, url, targets };
}

export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no item ${String(index)}`);
  return item;
}

export function replicasOf(count: number): Record<string, number> {
  return { edge: count, router: count, 'message-store': count, session: count };
}
