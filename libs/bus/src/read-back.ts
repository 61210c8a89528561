import { DeliverPolicy, jetstream, jetstreamManager, type Consumer } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { streamName, subjectName } from './naming.js';
import type { StreamDeclaration } from './streams.js';
import type { StoredSubject } from './subjects.js';

export interface ReadBackOptions {
  readonly stream: StreamDeclaration;
  readonly subject: StoredSubject;
  /** Records that were stored at or after this time, ms since 1970. */
  readonly sinceMs: number;
  /** Where reading ends at the latest. */
  readonly bound: { readonly records: number; readonly bytes: number; readonly timeMs: number };
  readonly onRecord: (payload: Uint8Array) => void;
}

export interface ReadBack {
  /** The time of the stream's oldest record (of any subject); Infinity: it is empty. */
  readonly beginsAt: number;
  /** Everything that the stream had was read; false: a bound was met. */
  readonly complete: boolean;
}

const API_MS = 2_000;
const PAGE = 500;

/** Reads what a stream of facts has kept, in order. Rejects when the server or the stream is away. */
export const readBack = async (
  connection: NatsConnection,
  namespace: string,
  { stream, subject, sinceMs, bound, onRecord }: ReadBackOptions,
): Promise<ReadBack> => {
  const endsAt = performance.now() + bound.timeMs;
  const name = streamName(namespace, stream);
  const manager = await jetstreamManager(connection, { timeout: API_MS, checkAPI: false });
  const { state } = await manager.streams.info(name);
  if (state.messages === 0) return { beginsAt: Infinity, complete: true };
  const consumer = await jetstream(connection, { timeout: API_MS }).consumers.get(name, {
    filter_subjects: subjectName(namespace, subject),
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(sinceMs).toISOString(),
  });
  try {
    const complete = await readPages(consumer, { bound, endsAt, onRecord });
    return { beginsAt: Date.parse(state.first_ts), complete };
  } finally {
    // An ordered consumer that nobody asks any more ends by itself.
    await consumer.delete().catch(() => false);
  }
};

interface Reading extends Pick<ReadBackOptions, 'bound' | 'onRecord'> {
  readonly endsAt: number;
}

/** True: nothing is left. */
const readPages = async (consumer: Consumer, { bound, endsAt, onRecord }: Reading): Promise<boolean> => {
  let pending = (await consumer.info()).num_pending;
  let bytes = 0;
  for (let records = 0; pending > 0;) {
    const left = endsAt - performance.now();
    if (records >= bound.records || bytes >= bound.bytes || left <= 0) return false;
    const before = records;
    const page = await consumer.fetch({
      max_messages: Math.min(PAGE, pending),
      expires: Math.max(Math.ceil(left), 1_000),
    });
    for await (const message of page) {
      onRecord(message.data);
      records++;
      bytes += message.data.length;
      pending = message.info.pending;
      if (records >= bound.records || bytes >= bound.bytes) break;
    }
    if (records === before) return false;
  }
  return true;
};
