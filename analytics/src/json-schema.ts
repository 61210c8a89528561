import { FACT_COLUMNS, type Column } from './columns.js';

const JSON_TYPES = { INT64: 'integer', STRING: 'string', BOOLEAN: 'boolean' } as const;

const property = ({ type, always, about }: Column) => ({
  description: about,
  type: always === true ? JSON_TYPES[type] : [JSON_TYPES[type], 'null'],
  parquet: type,
});

/** The table `facts` as a JSON schema of one row; `parquet` is the column's type in the files. */
export const jsonSchema = () => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'facts',
  description: 'A fact of the stream EVENTS, without personal content. See docs/analytics.md.',
  type: 'object',
  additionalProperties: false,
  required: FACT_COLUMNS.filter(({ always }) => always).map(({ name }) => name),
  properties: Object.fromEntries(FACT_COLUMNS.map((column) => [column.name, property(column)])),
});
