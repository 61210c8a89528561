import { DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { streamName, subjectName } from './naming.js';
import type { StreamDeclaration } from './streams.js';

export interface EnsureStreamsOptions {
  readonly namespace: string;
  readonly streams: readonly StreamDeclaration[];
  /** Copies of a new stream (1 on one server, 3 in a cluster). */
  readonly replicas: number;
}

// err_code of the JetStream API: a stream of this name exists with another configuration.
const STREAM_NAME_IN_USE = 10_058;

/** Makes the streams where they are missing and brings their limits up to date. Safe to run in many processes at a time. */
export const ensureStreams = async (
  manager: JetStreamManager,
  { namespace, streams, replicas }: EnsureStreamsOptions,
): Promise<void> => {
  for (const stream of streams) {
    const name = streamName(namespace, stream);
    const config = {
      subjects: stream.subjects.map((subject) => subjectName(namespace, subject)),
      max_age: nanos(stream.maxAgeMs),
      max_bytes: stream.maxBytes,
      discard: stream.keeps === 'work' ? DiscardPolicy.New : DiscardPolicy.Old,
      duplicate_window: nanos(stream.dedupeMs),
    } satisfies Partial<StreamConfig>;
    try {
      await manager.streams.add({
        ...config,
        name,
        retention: stream.keeps === 'work' ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
        storage: StorageType.File,
        num_replicas: replicas,
      });
    } catch (error) {
      if (!(error instanceof JetStreamApiError && error.code === STREAM_NAME_IN_USE)) throw error;
      // Whoever runs the fleet may have given a stream more room (-1: no limit). It stays.
      const { max_bytes: room } = (await manager.streams.info(name)).config;
      await manager.streams.update(name, { ...config, max_bytes: room < 0 ? room : Math.max(room, config.max_bytes) });
    }
  }
};
