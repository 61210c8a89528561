import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** A span as a backend gets it. */
export interface ExportedSpan {
  readonly name: string;
  /** In hex, as is the next. */
  readonly traceId: string;
  readonly parentSpanId: string;
  readonly failed: boolean;
  /** Of the process that made it. */
  readonly resource: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, string>>;
}

type Field = Uint8Array | bigint;
type Message = ReadonlyMap<number, readonly Field[]>;

const STATUS_ERROR = 2n;

// The numbers are those of the fields in opentelemetry/proto/collector/trace/v1, trace/v1, resource/v1 and common/v1.
const REQUEST = { resourceSpans: 1 };
const RESOURCE_SPANS = { resource: 1, scopeSpans: 2 };
const RESOURCE = { attributes: 1 };
const SCOPE_SPANS = { spans: 2 };
const SPAN = { traceId: 1, parentSpanId: 4, name: 5, attributes: 9, status: 15 };
const STATUS = { code: 3 };
const KEY_VALUE = { key: 1, value: 2 };
const ANY_VALUE = { string: 1, int: 3 };

/** The spans of an ExportTraceServiceRequest in protobuf. */
export const spansIn = (request: Uint8Array): ExportedSpan[] =>
  messages(read(request), REQUEST.resourceSpans).flatMap((resourceSpans) => {
    const [ofProcess] = messages(resourceSpans, RESOURCE_SPANS.resource);
    const resource = attributesIn(ofProcess, RESOURCE.attributes);
    return messages(resourceSpans, RESOURCE_SPANS.scopeSpans)
      .flatMap((scopeSpans) => messages(scopeSpans, SCOPE_SPANS.spans))
      .map((span) => exported(span, resource));
  });

const exported = (span: Message, resource: ExportedSpan['resource']): ExportedSpan => ({
  name: text(span, SPAN.name),
  traceId: bytes(span, SPAN.traceId).toString('hex'),
  parentSpanId: bytes(span, SPAN.parentSpanId).toString('hex'),
  failed: messages(span, SPAN.status).some((status) => status.get(STATUS.code)?.[0] === STATUS_ERROR),
  resource,
  attributes: attributesIn(span, SPAN.attributes),
});

const attributesIn = (message: Message | undefined, field: number): Record<string, string> =>
  Object.fromEntries(
    (message === undefined ? [] : messages(message, field)).map((attribute) => {
      const [value] = messages(attribute, KEY_VALUE.value);
      const number = value?.get(ANY_VALUE.int)?.[0];
      const shown = value === undefined || typeof number === 'bigint' ? String(number) : text(value, ANY_VALUE.string);
      return [text(attribute, KEY_VALUE.key), shown];
    }),
  );

const messages = (message: Message, field: number): Message[] =>
  (message.get(field) ?? []).map((value) => read(bytesOf(value)));

const bytes = (message: Message, field: number): Buffer => Buffer.from(bytesOf(message.get(field)?.[0]));

const text = (message: Message, field: number): string => bytes(message, field).toString();

const bytesOf = (value: Field | undefined): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array());

/** The fields of any message, by number; numbers of fixed size are left out. */
const read = (encoded: Uint8Array): Message => {
  const reader = new BinaryReader(encoded);
  const fields = new Map<number, Field[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const values = fields.get(field) ?? [];
    fields.set(field, values);
    if (type === WireType.Varint) values.push(BigInt(reader.uint64()));
    else if (type === WireType.LengthDelimited) values.push(reader.bytes());
    else reader.skip(type);
  }
  return fields;
};
