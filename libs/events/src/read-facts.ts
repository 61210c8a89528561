import type { Bus } from '@godwit/bus/bus';
import type { StoredRecord } from '@godwit/bus/read-back';
import { EVENTS } from '@godwit/bus/streams';
import { eventsInSlot } from '@godwit/bus/subjects';
import { FactBatch, type Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { slotOf } from './slot.js';

/** A fact, and the replica that noticed it. */
export interface ReadFact {
  readonly origin: string;
  readonly fact: Fact;
}

/** How much of what was asked for could be read. */
export type Coverage =
  /** All that EVENTS has from that time on. */
  | 'read'
  /** EVENTS begins later: it is too long ago, the stream was full, or lost. */
  | 'too-old'
  /** There was more than one trace reads. */
  | 'bound-exceeded'
  /** NATS can't be asked. */
  | 'unavailable';

export interface FactsRead {
  readonly facts: readonly ReadFact[];
  readonly coverage: Coverage;
}

export interface FactsQuery {
  readonly conversationId: string;
  /** When it began: what is asked for was noticed then or later. */
  readonly atMs: number;
  readonly wanted: (fact: Fact) => boolean;
}

/** What one trace reads at most. */
export const READ_BOUND = { records: 20_000, bytes: 32 * 1024 * 1024, timeMs: 3_000 } as const;

/** Clocks differ. */
const LOOK_BACK_MS = 60_000;
/** What was noticed is stored within this time, where NATS is there. */
const STORED_WITHIN_MS = 5_000;

/** The facts of a conversation since a time; never rejects, whatever EVENTS is like. */
export const readFacts = async (
  bus: Pick<Bus, 'readBack'>,
  { conversationId, atMs, wanted }: FactsQuery,
  bound: { readonly records: number; readonly bytes: number; readonly timeMs: number } = READ_BOUND,
): Promise<FactsRead> => {
  const facts: ReadFact[] = [];
  const onRecord = ({ payload }: StoredRecord): void => {
    const batch = decodeFacts(payload);
    for (const fact of batch?.facts ?? []) {
      if (fact.conversationId === conversationId && wanted(fact)) facts.push({ origin: batch?.origin ?? '', fact });
    }
  };
  try {
    const subject = eventsInSlot(slotOf(conversationId));
    const from = { sinceMs: Math.max(atMs - LOOK_BACK_MS, 0) };
    const { beginsAt, complete } = await bus.readBack({ stream: EVENTS, subject, from, bound, onRecord });
    const coverage = !complete ? 'bound-exceeded' : beginsAt > atMs + STORED_WITHIN_MS ? 'too-old' : 'read';
    return { facts, coverage };
  } catch {
    return { facts, coverage: 'unavailable' };
  }
};

/** Undefined: a record that is none, which tells nothing. */
export const decodeFacts = (payload: Uint8Array): FactBatch | undefined => {
  try {
    return FactBatch.decode(payload);
  } catch {
    return undefined;
  }
};
