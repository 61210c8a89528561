import { expect, it } from 'vitest';
import { lint, PIPELINES } from './connector.js';

const ENV = { GODWIT_ANALYTICS_KEY: 'key', GODWIT_S3_BUCKET: 'lake', GODWIT_KAFKA_BROKERS: '127.0.0.1:9092' };

it.each(PIPELINES)('%s is a configuration that Benthos takes, with a key only', async (pipeline) => {
  expect(await lint(pipeline, ENV)).toEqual({ code: 0, stdout: '', stderr: '' });
  const { GODWIT_ANALYTICS_KEY: _, ...keyless } = ENV;
  expect(await lint(pipeline, keyless)).toMatchObject({ code: 1 });
});
