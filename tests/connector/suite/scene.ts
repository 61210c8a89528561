import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FACT_COLUMNS } from '@godwit/analytics/columns';
import { exportFacts } from '@godwit/analytics/export-facts';
import { connectBus, type Bus } from '@godwit/bus/bus';
import { streamName } from '@godwit/bus/naming';
import { EVENTS } from '@godwit/bus/streams';
import { EventRecorder } from '@godwit/events/event-recorder';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { askFacts, type TableRow } from '@godwit/testkit/fact-table';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { CREDENTIALS, type Bucket } from './lake.js';
import type { Servers } from './servers.js';

export const KEY = 'analytics-key-of-these-tests';
const NAMES = 'record_ms, record_seq, record_row';
const metrics = createMetrics({ service: 'router', node: 'router-0', processMetrics: false });

interface Progress {
  /** Records that were not read. */
  readonly unread: number;
  /** Records that were read and are not written. */
  readonly unacked: number;
  /** All records up to this one are written. */
  readonly upTo: number;
}

/** A namespace, a bucket and topics of a test's own. */
export class Scene {
  readonly dir: string;
  readonly bus: Bus;
  readonly bucket: Bucket;
  readonly namespace: string;
  /** Of the connector. */
  readonly env: Readonly<Record<string, string>>;
  readonly #nats: string;
  #downloads = 0;

  static async open(servers: Servers): Promise<Scene> {
    const dir = await mkdtemp(path.join(tmpdir(), 'godwit-connector-'));
    servers.watchdog.removeAtEnd(dir);
    const scene = new Scene(servers, dir);
    await waitFor(() => scene.bus.streamState(EVENTS), { what: 'the stream', timeoutMs: 20_000 });
    return scene;
  }

  private constructor({ nats, lake, kafka }: Servers, dir: string) {
    this.dir = dir;
    this.namespace = uniqueNamespace();
    this.#nats = nats.url;
    this.bucket = lake.bucket(this.namespace);
    const { namespace } = this;
    const options = { url: nats.url, namespace, name: 'router-0', logger: silentLogger, metrics };
    this.bus = connectBus({ ...options, streams: [EVENTS] });
    this.env = {
      ...CREDENTIALS,
      GODWIT_NATS_URL: nats.url,
      GODWIT_NAMESPACE: namespace,
      GODWIT_ANALYTICS_KEY: KEY,
      GODWIT_ANALYTICS_INTERVAL: '200ms',
      GODWIT_CONNECTOR_ACK_WAIT: '3s',
      GODWIT_S3_BUCKET: namespace,
      GODWIT_S3_ENDPOINT: lake.url,
      GODWIT_KAFKA_BROKERS: kafka?.url ?? 'none:9092',
      GODWIT_KAFKA_FACTS_TOPIC: `${namespace}-facts`,
      GODWIT_KAFKA_LOGS_TOPIC: `${namespace}-logs`,
    };
  }

  /** Has the facts in EVENTS, as a service does it. */
  async record(facts: readonly Fact[]): Promise<void> {
    const recorder = new EventRecorder({ bus: this.bus, service: 'router', origin: 'router-0', metrics });
    for (const fact of facts) recorder.record(fact);
    await recorder.stop();
    if (recorder.pending > 0) throw new Error('EVENTS did not take the facts');
  }

  /** Waits until a consumer has nothing more to read, and all it has read is acknowledged. */
  async caughtUp(consumer: string): Promise<void> {
    const done = async () => {
      const { unread, unacked } = await this.progress(consumer);
      return unread + unacked === 0;
    };
    await waitFor(done, { what: `${consumer} to have caught up`, timeoutMs: 60_000, intervalMs: 100 });
  }

  /** How far a consumer of EVENTS is. */
  progress(consumer: string): Promise<Progress> {
    return this.#manage(async ({ consumers }) => {
      const info = await consumers.info(streamName(this.namespace, EVENTS), consumer);
      return { unread: info.num_pending, unacked: info.num_ack_pending, upTo: info.ack_floor.stream_seq };
    });
  }

  /** EVENTS is not there until a service makes it. */
  async withoutStream(): Promise<void> {
    await this.#manage(({ streams }) => streams.delete(streamName(this.namespace, EVENTS)));
  }

  async #manage<T>(what: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const connection = await connect({ servers: this.#nats.replace('nats://', '') });
    try {
      return await what(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  }

  /** The folder of the table that the exporter makes of the same stream. */
  async exported(): Promise<string> {
    const dir = path.join(this.dir, 'exported');
    while (!(await exportFacts({ bus: this.bus, dir, key: KEY, logger: silentLogger })));
    return dir;
  }

  /** The folder of the table that the bucket has now. */
  async downloaded(): Promise<string> {
    const dir = path.join(this.dir, `downloaded-${++this.#downloads}`);
    await this.bucket.download('facts/', dir);
    return dir;
  }
}

/** All rows, each once, by their names. */
export const rowsIn = (dir: string): Promise<TableRow[]> =>
  askFacts(dir, `SELECT DISTINCT ${FACT_COLUMNS.map(({ name }) => name).join()}, dt FROM facts ORDER BY ${NAMES}`);

export const countIn = async (dir: string): Promise<number> =>
  Number((await askFacts(dir, 'SELECT count(*) AS n FROM facts'))[0]?.['n']);
