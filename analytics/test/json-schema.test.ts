import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';
import { jsonSchema } from '../src/json-schema.js';

const FILE = path.join(import.meta.dirname, '../facts.schema.json');

it('facts.schema.json is what the columns say (vitest -u writes it)', async () => {
  const options = await resolveConfig(FILE);
  const text = await format(JSON.stringify(jsonSchema(), undefined, 2), { ...options, parser: 'json' });
  await expect(text).toMatchFileSnapshot(FILE);
});
