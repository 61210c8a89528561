import { AckPolicy, jetstream, jetstreamManager, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { fullJitter, sleep } from '@godwit/runtime/backoff';
import type { Logger } from '@godwit/runtime/logger';
import { busConsumed, busWaitSeconds } from '@godwit/telemetry/catalogue/libs';
import type { Metrics } from '@godwit/telemetry/metrics';
import { traced } from '@godwit/tracing/spans';
import type { BusConnection } from './connection.js';
import { streamName, subjectName, TRACEPARENT_HEADER } from './naming.js';
import { JobsInHand } from './jobs-in-hand.js';
import type { StreamDeclaration } from './streams.js';

export interface Job {
  readonly payload: Uint8Array;
  /** Without the namespace. */
  readonly subject: string;
  /** 1 on its first delivery. */
  readonly delivery: number;
  /** When the stream stored it, in ms since 1970. */
  readonly storedAt: number;
}

/** Does the job. Done when it resolves; when it rejects the job comes again later, here or at another replica. */
export type JobHandler = (job: Job) => Promise<void>;

export interface ConsumeOptions {
  /** Replicas that share the work use the same name. */
  readonly durable: string;
  /** Stops taking jobs; those in hand are finished. */
  readonly signal: AbortSignal;
  /** Jobs in hand at a time (default 16). */
  readonly concurrency?: number;
  /** A replica that neither answers nor shows life for this long has lost the job (default 30 s). */
  readonly ackWaitMs?: number;
  /** Deliveries after which a job is given up, logged (default 20). */
  readonly maxDeliveries?: number;
}

/** A consumer at work. */
export interface Consumption {
  /** Resolves once the signal has aborted and the jobs in hand are done. */
  readonly done: Promise<void>;
}

interface Consumer {
  readonly connection: BusConnection;
  readonly namespace: string;
  readonly stream: StreamDeclaration;
  readonly handler: JobHandler;
  readonly options: ConsumeOptions;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const DEFAULT_CONCURRENCY = 16;
const OUTCOMES = busConsumed.labels.outcome;
const RESTART = { minMs: 200, maxMs: 5_000 };
const REDELIVER = { minMs: 1_000, maxMs: 60_000 };
const API_MS = 2_000;
const PULL_MS = 10_000;

/**
 * Works on the jobs of a stream for as long as the process lives: acked when the handler has done one, handed back with
 * a growing delay when it fails, given up after a number of deliveries. Outlives the loss of NATS, of the stream and of
 * the consumer.
 */
export const consume = (consumer: Consumer): Consumption => ({ done: run(consumer) });

const run = async (consumer: Consumer): Promise<void> => {
  const { connection, options, logger, stream, metrics } = consumer;
  // There with 0 from now on: a rate doesn't see the job that a series begins with.
  for (const outcome of OUTCOMES) metrics.counter(busConsumed).labels({ stream: stream.name, outcome });
  const inHand = new JobsInHand(options.concurrency ?? DEFAULT_CONCURRENCY);
  for (let attempt = 0; !options.signal.aborted; attempt++) {
    const up = await connection.whenUp(options.signal);
    if (up === undefined) break;
    try {
      const messages = await openConsumer(up, consumer);
      attempt = 0;
      await workOff(messages, { consumer, inHand });
    } catch (error) {
      logger.warn({ err: error, stream: stream.name, durable: options.durable }, 'consuming starts over');
    }
    await sleep(fullJitter(RESTART, attempt), options.signal);
  }
  await inHand.done();
};

const openConsumer = async (
  connection: NatsConnection,
  { namespace, stream, options }: Consumer,
): Promise<ConsumerMessages> => {
  const name = streamName(namespace, stream);
  const manager = await jetstreamManager(connection, { timeout: API_MS, checkAPI: false });
  await manager.consumers.add(name, {
    durable_name: options.durable,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(options.ackWaitMs ?? 30_000),
    // Giving up is ours, so that it is seen: see `settle`.
    max_deliver: -1,
    // Each replica bounds what it has in hand; the server's default would bound all of them together at 1,000.
    max_ack_pending: -1,
    filter_subjects: stream.subjects.map((subject) => subjectName(namespace, subject)),
  });
  const consumer = await jetstream(connection, { timeout: API_MS }).consumers.get(name, options.durable);
  return consumer.consume({
    max_messages: (options.concurrency ?? DEFAULT_CONCURRENCY) * 2,
    expires: PULL_MS,
    // A stream that the server has lost ends this, and the next round finds it made again.
    abort_on_missing_resource: true,
  });
};

interface Work {
  readonly consumer: Consumer;
  readonly inHand: JobsInHand;
}

const workOff = async (messages: ConsumerMessages, { consumer, inHand }: Work): Promise<void> => {
  const { signal } = consumer.options;
  const stop = (): void => {
    messages.stop();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const message of messages) {
      inHand.take();
      void settle(message, consumer).finally(() => {
        inHand.finish();
      });
      await inHand.room();
    }
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
  }
};

/** Never rejects: whatever becomes of the job is told to the server. */
const settle = async (message: JsMsg, consumer: Consumer): Promise<void> => {
  const { options, namespace, stream, logger, metrics } = consumer;
  const { deliveryCount, timestampNanos } = message.info;
  const count = (outcome: (typeof OUTCOMES)[number]): void => {
    metrics.counter(busConsumed).labels({ stream: stream.name, outcome }).inc();
  };
  const storedAt = Math.floor(timestampNanos / 1e6);
  if (deliveryCount === 1) {
    const waited = metrics.histogram(busWaitSeconds).labels({ stream: stream.name });
    waited.observe(Math.max(Date.now() - storedAt, 0) / 1_000);
  }
  const alive = setInterval(
    () => {
      message.working();
    },
    (options.ackWaitMs ?? 30_000) / 3,
  );
  try {
    await traced({
      name: `process ${stream.name}`,
      kind: 'CONSUMER',
      parent: message.headers?.get(TRACEPARENT_HEADER) ?? '',
      run: () =>
        consumer.handler({
          payload: message.data,
          subject: message.subject.slice(namespace.length + 1),
          delivery: deliveryCount,
          storedAt,
        }),
    });
    message.ack();
    count('ack');
  } catch (error) {
    if (deliveryCount < (options.maxDeliveries ?? 20)) {
      logger.warn({ err: error, stream: stream.name, delivery: deliveryCount }, 'a job failed and comes again');
      message.nak(fullJitter(REDELIVER, deliveryCount - 1));
      count('nak');
    } else {
      logger.error({ err: error, stream: stream.name, delivery: deliveryCount }, 'a job is given up');
      message.term();
      count('term');
    }
  } finally {
    clearInterval(alive);
  }
};
