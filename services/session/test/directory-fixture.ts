import { newId } from '@godwit/ids/id';
import { ManualClock } from '@godwit/runtime/clock';
import { SessionDirectory, type RegisterOutcome, type RegisterRequest } from '../src/domain/session-directory.js';
import type { EdgeProcess, EvictionReason } from '../src/domain/session.js';
import { MemoryArchive } from './memory-archive.js';

export const LEASE_MS = 15_000;

export interface Replica {
  readonly directory: SessionDirectory;
  readonly evicted: { readonly edge: string; readonly handle: number; readonly reason: EvictionReason }[];
  /** Edges whose stream is down. */
  readonly unlinked: Set<string>;
}

/** Replicas over one archive and one clock; users belong to whom `owner` says. */
export const createFleet = () => {
  const clock = new ManualClock();
  const archive = new MemoryArchive(clock, LEASE_MS);
  const fleet = { clock, archive, owner: 'session-0' };
  const replica = (self: string): Replica => {
    const evicted: Replica['evicted'] = [];
    const unlinked = new Set<string>();
    const directory = new SessionDirectory({
      self,
      ownerOf: () => fleet.owner,
      clock,
      leaseMs: LEASE_MS,
      archive,
      links: {
        evict: (edge, handle, reason) => {
          if (unlinked.has(edge.edgeId)) return false;
          evicted.push({ edge: edge.edgeId, handle, reason });
          return true;
        },
      },
      events: { evicted: () => undefined, archiveFailed: () => undefined, edgeEnded: () => undefined },
    });
    return { directory, evicted, unlinked };
  };
  return { fleet, clock, archive, replica };
};

export const register = (
  { directory }: Replica,
  edge: EdgeProcess,
  request: Partial<RegisterRequest> & Pick<RegisterRequest, 'userId' | 'deviceId'>,
): Promise<RegisterOutcome> =>
  new Promise((resolve) => {
    directory.register(edge, { handle: 1, epoch: 0, again: false, ...request }, resolve);
  });

export const epochOf = (outcome: RegisterOutcome): number => {
  if (outcome.kind !== 'registered') throw new Error(`it is ${outcome.kind}`);
  return outcome.epoch;
};

export const handlesOf = async ({ directory }: Replica, userId: string): Promise<number[]> =>
  ((await directory.lookup([userId]))[0] ?? []).map(({ handle }) => handle).sort();

export const someone = () => ({ userId: newId(), deviceId: newId() });
