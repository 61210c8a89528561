import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Kind } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { expect, it } from 'vitest';
import { FACT_COLUMNS } from '../src/columns.js';

const configuration = (name: string): Promise<string> =>
  readFile(path.join(import.meta.dirname, '../connect', name), 'utf8');

const TYPES = { INT64: 'INT64', STRING: 'UTF8', BOOLEAN: 'BOOLEAN' };

// Both are run and compared in tests/connector; this is for machines that can't.

it('the connector writes the columns that the exporter writes', async () => {
  const columns = FACT_COLUMNS.map(({ name, type, always }) =>
    always === true
      ? `{ name: ${name}, type: ${TYPES[type]} }`
      : `{ name: ${name}, type: ${TYPES[type]}, optional: true }`,
  );
  const text = await configuration('facts-to-s3.yaml');
  expect([...text.matchAll(/- (\{ name: .*\})/g)].map(([, column]) => column)).toEqual(columns);
});

it('the connector names every kind of message', async () => {
  const [, names = ''] = /let names = (\[[^\]]*\])/.exec(await configuration('rows.yaml')) ?? [];
  const kinds = Object.values(Kind).filter((kind) => typeof kind === 'string');
  expect(JSON.parse(names)).toEqual(kinds.map((kind) => kind.toLowerCase()));
});
