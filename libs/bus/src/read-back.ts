import { DeliverPolicy, jetstream, jetstreamManager, type Consumer, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { streamName, subjectName } from './naming.js';
import type { StreamDeclaration } from './streams.js';
import type { StoredSubject } from './subjects.js';

export interface StoredRecord {
  /** Its sequence in the stream; those of a stream only grow. */
  readonly seq: number;
  /** When the stream stored it, in ms since 1970. */
  readonly storedAt: number;
  readonly payload: Uint8Array;
}

export interface ReadBackOptions {
  readonly stream: StreamDeclaration;
  /** Only records of this subject (default: all). */
  readonly subject?: StoredSubject;
  /** Where to begin: records stored at or after a time, ms since 1970, or those from a sequence on. */
  readonly from: { readonly sinceMs: number } | { readonly seq: number };
  /** Where reading ends at the latest. */
  readonly bound: { readonly records: number; readonly bytes: number; readonly timeMs: number };
  readonly onRecord: (record: StoredRecord) => void;
}

export interface ReadBack {
  /** The time of the stream's oldest record (of any subject); Infinity: it is empty. */
  readonly beginsAt: number;
  /** Everything that the stream had was read; false: a bound was met. */
  readonly complete: boolean;
}

export interface StreamState {
  /** In ms since 1970. A stream that was lost and made again counts its records anew. */
  readonly madeAt: number;
  /** Of the newest record there ever was; 0: none. */
  readonly lastSeq: number;
}

const API_MS = 2_000;
const PAGE = 500;

const infoOf = async (connection: NatsConnection, name: string): Promise<StreamInfo> => {
  const manager = await jetstreamManager(connection, { timeout: API_MS, checkAPI: false });
  return manager.streams.info(name);
};

/** Rejects when the server or the stream is away. */
export const streamState = async (connection: NatsConnection, name: string): Promise<StreamState> => {
  const { created, state } = await infoOf(connection, name);
  return { madeAt: Date.parse(created), lastSeq: state.last_seq };
};

/** Reads what a stream of facts has kept, in order. Rejects when the server or the stream is away. */
export const readBack = async (
  connection: NatsConnection,
  namespace: string,
  { stream, subject, from, bound, onRecord }: ReadBackOptions,
): Promise<ReadBack> => {
  const endsAt = performance.now() + bound.timeMs;
  const name = streamName(namespace, stream);
  const { state } = await infoOf(connection, name);
  if (state.messages === 0) return { beginsAt: Infinity, complete: true };
  const consumer = await jetstream(connection, { timeout: API_MS }).consumers.get(name, {
    ...(subject === undefined ? {} : { filter_subjects: subjectName(namespace, subject) }),
    ...startOf(from),
  });
  try {
    const complete = await readPages(consumer, { bound, endsAt, onRecord });
    return { beginsAt: Date.parse(state.first_ts), complete };
  } finally {
    // An ordered consumer that nobody asks any more ends by itself.
    await consumer.delete().catch(() => false);
  }
};

const startOf = (from: ReadBackOptions['from']) =>
  'seq' in from
    ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from.seq }
    : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(from.sinceMs).toISOString() };

interface Reading extends Pick<ReadBackOptions, 'bound' | 'onRecord'> {
  readonly endsAt: number;
}

/** True: nothing is left. */
const readPages = async (consumer: Consumer, { bound, endsAt, onRecord }: Reading): Promise<boolean> => {
  let pending = (await consumer.info()).num_pending;
  let bytes = 0;
  for (let records = 0; pending > 0;) {
    const leftMs = endsAt - performance.now();
    if (records >= bound.records || bytes >= bound.bytes || leftMs <= 0) return false;
    const before = records;
    const page = await consumer.fetch({
      max_messages: Math.min(PAGE, pending),
      expires: Math.max(Math.ceil(leftMs), 1_000),
    });
    for await (const message of page) {
      const { streamSequence: seq, pending: rest } = message.info;
      // In whole numbers: as a fraction it may be rounded up to the next millisecond.
      onRecord({ seq, storedAt: Number(message.timestampNanos / 1_000_000n), payload: message.data });
      records++;
      bytes += message.data.length;
      pending = rest;
      if (records >= bound.records || bytes >= bound.bytes) break;
    }
    if (records === before) return false;
  }
  return true;
};
