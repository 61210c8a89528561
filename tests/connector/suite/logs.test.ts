import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pseudonyms } from '@godwit/analytics/pseudonyms';
import { PROJECT_ROOT } from '@godwit/local-stack/project-root';
import { createLogger } from '@godwit/runtime/logger';
import { askTable } from '@godwit/testkit/fact-table';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { beforeAll, describe, expect, it } from 'vitest';
import { feed } from './connector.js';
import { KAFKA_JARS } from './kafka.js';
import { CREDENTIALS } from './lake.js';
import { KEY } from './scene.js';
import { servers } from './servers.js';

const SECRETS = ['alice', 'g:birds', '2025550101', '133742', 'a stack', 'index.ts'];
const namespace = uniqueNamespace();
let dir: string;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  const { lake, kafka, watchdog } = await servers();
  dir = await mkdtemp(path.join(tmpdir(), 'godwit-connector-'));
  watchdog.removeAtEnd(dir);
  env = {
    ...CREDENTIALS,
    GODWIT_ANALYTICS_KEY: KEY,
    GODWIT_ANALYTICS_INTERVAL: '200ms',
    GODWIT_S3_BUCKET: namespace,
    GODWIT_S3_ENDPOINT: lake.url,
    GODWIT_KAFKA_BROKERS: kafka?.url ?? '',
  };
});

/** What a service would write, and what comes between its lines. */
const lines = (): string => {
  const written: string[] = [];
  const destination = { write: (line: string) => written.push(line) };
  const logger = createLogger({ service: 'router', node: 'router-0', level: 'debug', destination });
  const error = Object.assign(new TypeError('duplicate key: +12025550101'), {
    code: 11000,
    stack: 'a stack of index.ts',
  });
  logger.info({ version: '0.1.0', revision: 'abc', nodejs: 'v24', startMs: 3 }, 'started');
  logger.warn({ err: error, userId: 'alice', deviceId: 'phone-of-alice', conversationId: 'g:birds' }, 'a job failed');
  logger.info({ code: '133742', subject: 'push.wake.alice' }, 'a one-time code was written to the SMS outbox');
  written.push('Error: a line of Node itself about alice\n', '{"half":"a li\n', '{"level":"info"}\n', '\n');
  logger.error('x'.repeat(200_000));
  logger.debug(
    { trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16), method: '/godwit.group.v1.GroupService/Get' },
    'last',
  );
  return written.map((line, index) => (index === 1 ? `[pod/router-0/router] ${line}` : line)).join('');
};

const EXPECTED = [
  { level: 'info', message: 'started', version: '0.1.0', revision: 'abc' },
  {
    level: 'warn',
    message: 'a job failed',
    error_type: 'TypeError',
    error_code: '11000',
    conversation_key: pseudonyms(KEY)('g:birds'),
    user_key: pseudonyms(KEY)('alice'),
    device_key: pseudonyms(KEY)('phone-of-alice'),
  },
  { level: 'info', message: 'a one-time code was written to the SMS outbox' },
  { level: 'error', message: 'x'.repeat(200_000) },
  {
    level: 'debug',
    message: 'last',
    method: '/godwit.group.v1.GroupService/Get',
    trace_id: 'a'.repeat(32),
    span_id: 'b'.repeat(16),
  },
].map((row) => ({ ...row, service: 'router', node: 'router-0', time_ms: expect.any(Number) as unknown }));

interface RowSchema {
  readonly properties: Readonly<Record<string, { readonly parquet: string }>>;
  readonly required: readonly string[];
}

const schema = async (): Promise<RowSchema> =>
  JSON.parse(await readFile(path.join(PROJECT_ROOT, 'analytics/logs.schema.json'), 'utf8')) as RowSchema;

describe('logs on S3', () => {
  it('are a table of what may leave, by day', async () => {
    expect(await feed('logs-to-s3', env, lines())).toMatchObject({ code: 0 });
    await (await servers()).lake.bucket(namespace).download('logs/', dir);
    const rows = await askTable({ dir, table: 'logs' }, 'FROM logs ORDER BY time_ms');
    const today = new Date().toISOString().slice(0, 10);
    const known = rows.map((row) => Object.entries(row).filter(([, value]) => value !== null));
    expect(known.map((row) => Object.fromEntries(row))).toEqual(
      expect.arrayContaining(EXPECTED.map((row) => ({ ...row, dt: today, time_ms: expect.any(String) as unknown }))),
    );
    expect(rows).toHaveLength(EXPECTED.length);
    for (const secret of SECRETS) expect(JSON.stringify(rows)).not.toContain(secret);
  });

  it('have the columns of logs.schema.json', async () => {
    const { properties, required } = await schema();
    const described = await askTable(
      { dir, table: 'logs' },
      "SELECT name, coalesce(converted_type, type) AS type, repetition_type FROM parquet_schema('" +
        `${path.join(dir, 'logs')}/*/*.parquet') WHERE num_children IS NULL ORDER BY name`,
    );
    const expected = Object.entries(properties).map(([name, { parquet }]) => ({
      name,
      type: parquet === 'STRING' ? 'UTF8' : 'INT_64',
      repetition_type: required.includes(name) ? 'REQUIRED' : 'OPTIONAL',
    }));
    expect(described).toEqual(expected.sort((a, b) => (a.name < b.name ? -1 : 1)));
  });
});

describe.skipIf(KAFKA_JARS === undefined)('logs in Kafka', () => {
  it('are messages of what may leave, by process and in its order', async () => {
    expect(await feed('logs-to-kafka', env, lines())).toMatchObject({ code: 0 });
    const sent = (await (await servers()).kafka?.read('logs')) ?? [];
    expect(sent.map(({ value }) => value)).toEqual(EXPECTED);
    expect(new Set(sent.map(({ key }) => key))).toEqual(new Set(['router-0']));
    for (const secret of SECRETS) expect(JSON.stringify(sent)).not.toContain(secret);
  });
});
