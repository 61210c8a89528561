import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { ErrorSchema } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { callRules, type CallRule } from './call-table.js';

// The OpenAPI document of the HTTP calls, from the descriptors of the messages that they take and give.

interface Schema {
  readonly [keyword: string]: unknown;
}

const NUMBERS: ReadonlySet<ScalarType> = new Set([ScalarType.DOUBLE, ScalarType.FLOAT]);
const LONGS: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

const shortName = (typeName: string): string => typeName.replace(/^godwit\./, '');
const reference = (message: DescMessage): Schema => ({ $ref: `#/components/schemas/${shortName(message.typeName)}` });

const scalarSchema = (scalar: ScalarType): Schema => {
  if (scalar === ScalarType.STRING) return { type: 'string' };
  if (scalar === ScalarType.BOOL) return { type: 'boolean' };
  if (scalar === ScalarType.BYTES) return { type: 'string', format: 'byte' };
  if (NUMBERS.has(scalar)) return { type: 'number' };
  if (LONGS.has(scalar)) return { type: 'string', pattern: '^[0-9]+$', description: 'a 64-bit number' };
  return { type: 'integer', minimum: 0 };
};

const enumSchema = (values: DescEnum): Schema => ({ type: 'string', enum: values.values.map(({ name }) => name) });

const elementSchema = (field: DescField): Schema => {
  if (field.message !== undefined) return reference(field.message);
  if (field.enum !== undefined) return enumSchema(field.enum);
  return field.scalar === undefined ? {} : scalarSchema(field.scalar);
};

const fieldSchema = (field: DescField): Schema => {
  if (field.fieldKind === 'list') return { type: 'array', items: elementSchema(field) };
  if (field.fieldKind === 'map') return { type: 'object', additionalProperties: elementSchema(field) };
  return elementSchema(field);
};

const messageSchema = (message: DescMessage): Schema => {
  const choices = message.oneofs.map(
    ({ fields }) => `At most one of ${fields.map(({ jsonName }) => `\`${jsonName}\``).join(', ')}.`,
  );
  return {
    type: 'object',
    additionalProperties: false,
    ...(choices.length === 0 ? {} : { description: choices.join(' ') }),
    properties: Object.fromEntries(message.fields.map((field) => [field.jsonName, fieldSchema(field)])),
  };
};

/** The message and all that it contains, each once. */
const addSchemas = (schemas: Map<string, Schema>, message: DescMessage): void => {
  const name = shortName(message.typeName);
  if (schemas.has(name)) return;
  schemas.set(name, messageSchema(message));
  for (const field of message.fields) if (field.message !== undefined) addSchemas(schemas, field.message);
};

const json = (schema: Schema): Schema => ({ 'application/json': { schema } });

const operation = (rule: CallRule): Schema => ({
  post: {
    operationId: rule.name,
    tags: [rule.service],
    security: rule.anonymousOnly ? [] : [{ accessToken: [] }],
    requestBody: { required: true, content: json(reference(rule.request)) },
    responses: {
      '200': { description: 'Done', content: json(reference(rule.response)) },
      default: { description: 'Refused; `reason` says why', content: json(reference(ErrorSchema)) },
    },
  },
});

const DESCRIPTION = 'Requests and responses are protobuf JSON; fields with default values may be left out.';

export const openApiDocument = (): Schema => {
  const schemas = new Map<string, Schema>();
  addSchemas(schemas, ErrorSchema);
  const paths: Record<string, Schema> = {};
  for (const rule of callRules()) {
    addSchemas(schemas, rule.request);
    addSchemas(schemas, rule.response);
    paths[`/v1/${rule.name}`] = operation(rule);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Godwit calls', version: '1', description: DESCRIPTION, license: { name: 'Apache-2.0' } },
    paths,
    components: {
      schemas: Object.fromEntries(schemas),
      securitySchemes: { accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
};
