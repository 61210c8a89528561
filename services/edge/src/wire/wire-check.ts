import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

// What protobuf parsers do by the specification and a strict edge does not: let the last of two members of a oneof
// win, merge a field that comes twice, and read a known field of another wire type as if it were unknown or right.

/** A problem with an encoded message, and the path of the field that has it (`send.payload`). */
export interface WireProblem {
  readonly field: string;
  readonly problem: string;
}

interface Rule {
  readonly name: string;
  readonly wireType: WireType;
  readonly repeated: boolean;
  /** Number of the oneof that the field is a member of, or -1. */
  readonly oneof: number;
  readonly message: DescMessage | undefined;
}

type Rules = ReadonlyMap<number, Rule>;

const rulesOfMessages = new WeakMap<DescMessage, Rules>();

const VARINT_TYPES: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT32,
  ScalarType.INT64,
  ScalarType.UINT32,
  ScalarType.UINT64,
  ScalarType.SINT32,
  ScalarType.SINT64,
  ScalarType.BOOL,
]);
const BIT64_TYPES: ReadonlySet<ScalarType> = new Set([ScalarType.DOUBLE, ScalarType.FIXED64, ScalarType.SFIXED64]);
const BIT32_TYPES: ReadonlySet<ScalarType> = new Set([ScalarType.FLOAT, ScalarType.FIXED32, ScalarType.SFIXED32]);

const scalarWireType = (scalar: ScalarType): WireType => {
  if (VARINT_TYPES.has(scalar)) return WireType.Varint;
  if (BIT64_TYPES.has(scalar)) return WireType.Bit64;
  return BIT32_TYPES.has(scalar) ? WireType.Bit32 : WireType.LengthDelimited;
};

const wireTypeOf = (field: DescField): WireType => {
  if (field.message !== undefined || field.fieldKind === 'map') return WireType.LengthDelimited;
  return field.enum === undefined ? scalarWireType(field.scalar) : WireType.Varint;
};

const rulesOf = (message: DescMessage): Rules => {
  const known = rulesOfMessages.get(message);
  if (known !== undefined) return known;
  const rules = new Map<number, Rule>();
  for (const field of message.fields) {
    rules.set(field.number, {
      name: field.name,
      wireType: wireTypeOf(field),
      repeated: field.fieldKind === 'list' || field.fieldKind === 'map',
      oneof: field.oneof === undefined ? -1 : message.oneofs.indexOf(field.oneof),
      message: field.message,
    });
  }
  rulesOfMessages.set(message, rules);
  return rules;
};

/**
 * Looks through an encoded message for what a strict decoder refuses and the library's lets pass. The message types of
 * the client protocol don't contain themselves, so the depth is theirs and not the sender's.
 * @throws when the bytes are not protobuf at all
 */
export const checkWire = (message: DescMessage, bytes: Uint8Array): WireProblem | undefined => {
  const reader = new BinaryReader(bytes);
  return checkMessage(reader, message, bytes.length);
};

const checkMessage = (reader: BinaryReader, message: DescMessage, end: number): WireProblem | undefined => {
  const rules = rulesOf(message);
  const seen: number[] = [];
  const oneofs: number[] = [];
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const rule = rules.get(number);
    if (rule === undefined) {
      skipUnknown(reader, number, wireType);
      continue;
    }
    const problem = checkOccurrence(rule, { number, wireType, seen, oneofs }) ?? checkValue(reader, rule, wireType);
    if (problem !== undefined) return problem;
  }
  return reader.pos === end ? undefined : { field: '', problem: 'a field ends outside its message' };
};

// Groups are long gone from protobuf and nest without a bound.
const skipUnknown = (reader: BinaryReader, number: number, wireType: WireType): void => {
  if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) throw new Error('groups are not supported');
  reader.skip(wireType, number);
};

interface Occurrence {
  readonly number: number;
  readonly wireType: WireType;
  readonly seen: number[];
  readonly oneofs: number[];
}

const checkOccurrence = (rule: Rule, { number, wireType, seen, oneofs }: Occurrence): WireProblem | undefined => {
  const packed = rule.repeated && wireType === WireType.LengthDelimited;
  if (wireType !== rule.wireType && !packed) return { field: rule.name, problem: 'has the wrong type' };
  if (rule.repeated) return undefined;
  if (seen.includes(number)) return { field: rule.name, problem: 'is there twice' };
  seen.push(number);
  if (rule.oneof < 0) return undefined;
  if (oneofs.includes(rule.oneof)) return { field: rule.name, problem: 'excludes another field that is there too' };
  oneofs.push(rule.oneof);
  return undefined;
};

const checkValue = (reader: BinaryReader, rule: Rule, wireType: WireType): WireProblem | undefined => {
  if (rule.message === undefined) {
    reader.skip(wireType);
    return undefined;
  }
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('a length points behind the end');
  const inner = checkMessage(reader, rule.message, end);
  if (inner === undefined) return undefined;
  return { field: inner.field === '' ? rule.name : `${rule.name}.${inner.field}`, problem: inner.problem };
};
