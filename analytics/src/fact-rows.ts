import { Kind } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import type { Fact, FactBatch } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import type { Pseudonyms } from './pseudonyms.js';

export type Value = string | number | boolean;
/** By column of `FACT_COLUMNS`; what is missing is null. */
export type FactRow = Readonly<Record<string, Value | undefined>>;

export interface FactRecord {
  /** Its sequence in the stream. */
  readonly seq: number;
  /** When the stream stored it, in ms since 1970. */
  readonly storedAt: number;
  readonly batch: FactBatch;
}

/** The rows of a record. A provider's words (`Pushed.detail`) stay out: nobody knows what is in them. */
export const rowsOf = ({ seq, storedAt, batch }: FactRecord, pseudonymOf: Pseudonyms): FactRow[] =>
  batch.facts.flatMap((fact, index) => {
    const own = columnsOf(fact.what);
    if (own === undefined) return [];
    return [
      {
        record_ms: storedAt,
        record_seq: seq,
        record_row: index,
        time_ms: fact.timeMs,
        origin: batch.origin,
        conversation_key: pseudonymOf(fact.conversationId),
        user_key: pseudonymOf(fact.userId),
        device_key: pseudonymOf(fact.deviceId),
        seq: known(fact.seq),
        ...own,
      },
    ];
  });

const known = <T extends string | number>(value: T): T | undefined => (value === 0 || value === '' ? undefined : value);

/** As the protocol names it; `kind_<number>` where it is newer than this. */
const kindName = (kind: number): string => {
  const name: string | undefined = Kind[kind];
  return name?.toLowerCase() ?? `kind_${String(kind)}`;
};

/** What the kind of fact has of its own; undefined for a kind that is newer than this. */
const columnsOf = (what: Fact['what']): FactRow | undefined => {
  switch (what?.$case) {
    case 'accepted': {
      const { kind, payloadBytes, ackMs, duplicate } = what.value;
      return { what: 'accepted', kind: kindName(kind), payload_bytes: payloadBytes, ack_ms: ackMs, duplicate };
    }
    case 'announced':
      return { what: 'announced', recipients: what.value.recipients, offline: what.value.offline };
    case 'fannedOut':
      return { what: 'fanned_out', edge: what.value.edgeId, sockets: what.value.sockets, took: what.value.took };
    case 'pushed':
      return { what: 'pushed', provider: known(what.value.provider), outcome: what.value.outcome };
    case 'deliveredTo':
      return { what: 'delivered_to', sent_time_ms: known(what.value.sentTimeMs) };
    case 'readUpTo':
      return { what: 'read_up_to', sent_time_ms: known(what.value.sentTimeMs) };
    case 'sendRefused':
      return { what: 'send_refused', reason: what.value.reason, kind: kindName(what.value.kind) };
    default:
      return undefined;
  }
};
