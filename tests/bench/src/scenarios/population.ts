import type { BenchFleet } from '../bench-fleet.js';
import type { Account, ClientSpec } from '../generator/client.js';
import type { Connected } from '../generator/commands.js';
import type { Generators } from '../generator-process.js';
import { mergedLatency, type Latency } from '../latency.js';
import type { Say, Settings } from '../outcome.js';
import { at, connection, specOf } from './scenario.js';

const CREATE_AT_A_TIME = 8;

export interface Group {
  readonly conversationId: string;
  /** The membership messages, which the members have seen. */
  readonly headSeq: number;
  readonly members: readonly Account[];
}

/** Groups of new users; nobody is in two of them. */
export async function createGroups(
  { fleet, say }: { readonly fleet: BenchFleet; readonly say: Say },
  count: number,
  size: number,
): Promise<Group[]> {
  const accounts = await fleet.importUsers(count * size);
  say(`${String(accounts.length)} users are imported`);
  const groups: Group[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const members = accounts.slice(next * size, (next + 1) * size);
      next += 1;
      groups.push({ ...(await fleet.createGroup(members.map(({ userId }) => userId))), members });
    }
  };
  await Promise.all(Array.from({ length: CREATE_AT_A_TIME }, worker));
  say(`${String(count)} groups of ${String(size)} are made`);
  return groups;
}

/**
 * Connects the members of groups: the first of each may write. Members of one group are on different edges, and those who
 * write are spread over the generators.
 */
export async function connectGroups(
  groups: readonly Group[],
  generators: Generators,
  { edges, settings }: { edges: readonly string[]; settings: Settings },
): Promise<void> {
  const shares = sharesOf(groups, generators.all.length, edges);
  await generators.each('connect', (index) => connection(at(shares, index), settings));
}

/** What each generator connects. */
export function sharesOf(groups: readonly Group[], generators: number, edges: readonly string[]): ClientSpec[][] {
  const shares: ClientSpec[][] = Array.from({ length: generators }, () => []);
  groups.forEach(({ conversationId, headSeq, members }, group) => {
    members.forEach((account, index) => {
      at(shares, (group + index) % generators).push({
        ...specOf(account, index === 0 ? [conversationId] : [], at(edges, index % edges.length)),
        cursors: [{ conversationId, seq: headSeq }],
      });
    });
  });
  return shares;
}

export interface Arrival {
  readonly clients: number;
  readonly retries: number;
  readonly tookMs: number;
  readonly latency: Latency;
}

export function arrivalOf(connected: readonly Connected[]): Arrival {
  return {
    clients: connected.reduce((sum, { clients }) => sum + clients, 0),
    retries: connected.reduce((sum, { retries }) => sum + retries, 0),
    tookMs: Math.max(...connected.map(({ tookMs }) => tookMs)),
    latency: mergedLatency(connected.map(({ latency }) => latency)),
  };
}
