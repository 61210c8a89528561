import { createRegistry, isMessage, type DescField, type DescFile, type Message as Proto } from '@bufbuild/protobuf';
import { messageOf, textOf, type Message } from '@godwit/client/message';
import { file_godwit_client_v1_frames } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';

function withImports(file: DescFile, found = new Set<DescFile>()): Set<DescFile> {
  if (!found.has(file)) {
    found.add(file);
    for (const imported of file.dependencies) withImports(imported, found);
  }
  return found;
}

const registry = createRegistry(...withImports(file_godwit_client_v1_frames));

/**
 * A value as `--json` prints it: 64-bit numbers of the protocol (they are seqs and times in ms: they fit) as numbers,
 * bytes as base64, enum values by their short names, the chosen member of a oneof as a field of its own.
 */
export function plain(value: unknown): unknown {
  if (isMessage(value)) return plainMessage(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
  }
  return value;
}

function plainMessage(message: Proto): Record<string, unknown> {
  const type = registry.getMessage(message.$typeName);
  if (type === undefined) throw new TypeError(`${message.$typeName} is not of the client protocol`);
  if (message.$typeName === 'godwit.message.v1.Deliver') return plainText(messageOf(message as never));
  const from = message as unknown as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const member of type.members) {
    if (member.kind === 'field') {
      const value = from[member.localName];
      if (value !== undefined) result[member.localName] = plainField(member, value);
      continue;
    }
    const chosen = from[member.localName] as { case?: string; value?: unknown };
    const field = member.fields.find(({ localName }) => localName === chosen.case);
    if (field !== undefined) result[field.localName] = plainField(field, chosen.value);
  }
  return result;
}

function plainField(field: DescField, value: unknown): unknown {
  const type = field.enum;
  if (type === undefined) return plain(value);
  const nameOf = (number: unknown): unknown => type.value[number as number]?.localName.toLowerCase() ?? number;
  return Array.isArray(value) ? value.map(nameOf) : nameOf(value);
}

/** A message of a conversation: `text` for texts and edits, other contents under their kind. */
export function plainText(message: Message): Record<string, unknown> {
  const { content, kind, ...head } = message;
  const text = textOf(message);
  if (text !== undefined) return { ...head, kind, text };
  // Nothing is in these two.
  if (content.case === undefined || content.case === 'delete' || content.case === 'seen') return { ...head, kind };
  return { ...head, kind, [content.case]: plain(content.value) };
}
