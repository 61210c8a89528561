import { fromBinary, fromJsonString, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { checkWire } from './wire-check.js';

/** What was sent, or what is wrong with it. */
export type Decoded<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string; readonly field: string };

/** A complaint quotes the input; this much of it is enough to find the place. */
const MAX_PROBLEM_LENGTH = 200;

const complaint = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  return text.length <= MAX_PROBLEM_LENGTH ? text : `${text.slice(0, MAX_PROBLEM_LENGTH)}...`;
};

/** `cannot decode field godwit.message.v1.Send.conversation_id from JSON: ...` -> `conversation_id`. */
const fieldOf = (problem: string): string => /field [\w.]+\.(\w+)/.exec(problem)?.[1] ?? '';

const refused = (error: unknown): { ok: false; problem: string; field: string } => {
  const problem = complaint(error);
  return { ok: false, problem, field: fieldOf(problem) };
};

/**
 * Decodes protobuf JSON: unknown fields, wrong types, repeated keys and two members of a oneof are refused. Whatever the
 * text is, nothing is thrown, a stack overflow on deep nesting included.
 */
export const decodeJson = <D extends DescMessage>(schema: D, text: string): Decoded<MessageShape<D>> => {
  try {
    return { ok: true, value: fromJsonString(schema, text, { ignoreUnknownFields: false, recursionLimit: 32 }) };
  } catch (error) {
    return refused(error);
  }
};

/**
 * Decodes binary protobuf: invalid UTF-8, wrong wire types, repeated singular fields and two members of a oneof are
 * refused, unknown fields dropped.
 */
export const decodeBinary = <D extends DescMessage>(schema: D, bytes: Uint8Array): Decoded<MessageShape<D>> => {
  try {
    const problem = checkWire(schema, bytes);
    if (problem !== undefined)
      return { ok: false, problem: `${problem.field} ${problem.problem}`, field: problem.field };
    return { ok: true, value: fromBinary(schema, bytes, { readUnknownFields: false, recursionLimit: 32 }) };
  } catch (error) {
    return refused(error);
  }
};

/** The request id of a JSON frame that could not be decoded, so that its error can be told apart; 0 if it has none. */
export const requestIdOfJson = (text: string): number => {
  const digits = /"(?:requestId|request_id)"\s*:\s*"?(\d{1,10})/.exec(text)?.[1];
  const id = Number(digits ?? 0);
  return id <= 0xffff_ffff ? id : 0;
};

/** The same of a binary frame: `request_id` is field 1, which every encoder writes first. */
export const requestIdOfBinary = (bytes: Uint8Array): number => {
  if (bytes[0] !== 0x08) return 0;
  let id = 0;
  for (let index = 1; index <= 5; index++) {
    const byte = bytes[index];
    if (byte === undefined) return 0;
    id += (byte & 0x7f) * 2 ** (7 * (index - 1));
    if (byte < 0x80) return id <= 0xffff_ffff ? id : 0;
  }
  return 0;
};
