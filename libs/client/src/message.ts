import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { SendSchema, type Deliver, type Send } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import {
  Kind,
  PayloadSchema,
  type Membership,
  type Payload,
} from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';

type Content = Exclude<Payload['content'], { case: undefined }>;
export type ContentKind = Content['case'];

/** What to send. Exactly one of the contents, and what it is about. */
export interface Outgoing {
  readonly text?: string;
  readonly location?: { readonly latitude: number; readonly longitude: number; readonly name?: string };
  readonly contact?: { readonly userId: string; readonly displayName?: string; readonly phone?: string };
  readonly reaction?: { readonly emoji: string };
  readonly edit?: { readonly text: string };
  readonly delete?: Readonly<Record<string, never>>;
  readonly seen?: Readonly<Record<string, never>>;
  readonly encrypted?: Uint8Array;
  /** The message this one is about; for a text the one it answers. */
  readonly targetSeq?: number;
  /** When devices that have not taken it are given up, ms since 1970. */
  readonly expiresAtMs?: number;
  /** Made by the client if absent. */
  readonly clientMessageId?: string;
}

/** A message as the app sees it. */
export interface Message {
  readonly conversationId: string;
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly from: { readonly userId: string; readonly deviceId: string };
  /** The sender's clock. */
  readonly timestampMs: number;
  readonly clientMessageId: string;
  readonly targetSeq: number;
  readonly kind: ContentKind | 'unknown';
  readonly content: Payload['content'];
}

const KINDS: Readonly<Record<ContentKind, Kind>> = {
  text: Kind.TEXT,
  location: Kind.LOCATION,
  contact: Kind.CONTACT,
  reaction: Kind.REACTION,
  edit: Kind.EDIT,
  delete: Kind.DELETE,
  seen: Kind.SEEN,
  membership: Kind.MEMBERSHIP,
  encrypted: Kind.ENCRYPTED,
};

export function kindOf(content: Payload['content']): Kind {
  return content.case === undefined ? Kind.UNSPECIFIED : KINDS[content.case];
}

export function payloadOf(outgoing: Outgoing): Payload {
  return create(PayloadSchema, { content: contentOf(outgoing) });
}

const CONTENTS = ['text', 'location', 'contact', 'reaction', 'edit', 'delete', 'seen', 'encrypted'] as const;

function contentOf(outgoing: Outgoing): MessageInitShape<typeof PayloadSchema>['content'] & object {
  const given = CONTENTS.filter((content) => outgoing[content] !== undefined);
  if (given.length > 1) throw new TypeError(`a message has one content, not ${given.join(' and ')}`);
  if (outgoing.text !== undefined) return { case: 'text', value: { text: outgoing.text } };
  if (outgoing.location !== undefined) return { case: 'location', value: outgoing.location };
  if (outgoing.contact !== undefined) return { case: 'contact', value: outgoing.contact };
  if (outgoing.reaction !== undefined) return { case: 'reaction', value: outgoing.reaction };
  if (outgoing.edit !== undefined) return { case: 'edit', value: outgoing.edit };
  if (outgoing.delete !== undefined) return { case: 'delete', value: {} };
  if (outgoing.seen !== undefined) return { case: 'seen', value: {} };
  if (outgoing.encrypted !== undefined) return { case: 'encrypted', value: outgoing.encrypted };
  throw new TypeError('a message needs a content: text, location, contact, reaction, edit, delete, seen or encrypted');
}

/**
 * The frame that is sent, and repeated as it is until it is answered.
 * @throws TypeError when it has no content, or more than one
 */
export function sendOf(conversationId: string, outgoing: Outgoing): Send {
  const payload = payloadOf(outgoing);
  return create(SendSchema, {
    conversationId,
    clientMessageId: outgoing.clientMessageId ?? newMessageId(),
    metadata: {
      timestampMs: BigInt(Date.now()),
      kind: kindOf(payload.content),
      targetSeq: BigInt(outgoing.targetSeq ?? 0),
      expiresAtMs: BigInt(outgoing.expiresAtMs ?? 0),
    },
    payload,
  });
}

/** 128 random bits in the alphabet of client message ids. */
function newMessageId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function messageOf(deliver: Deliver): Message {
  const envelope = deliver.envelope;
  const content = envelope?.payload?.content ?? { case: undefined };
  return {
    conversationId: deliver.conversationId,
    seq: Number(deliver.seq),
    serverTimeMs: Number(deliver.serverTimeMs),
    from: { userId: envelope?.from?.userId ?? '', deviceId: envelope?.from?.deviceId ?? '' },
    timestampMs: Number(envelope?.metadata?.timestampMs ?? 0n),
    clientMessageId: envelope?.metadata?.clientMessageId ?? '',
    targetSeq: Number(envelope?.metadata?.targetSeq ?? 0n),
    kind: content.case ?? 'unknown',
    content,
  };
}

/** The text of a message, where it has one. */
export function textOf(message: Message): string | undefined {
  if (message.content.case === 'text' || message.content.case === 'edit') return message.content.value.text;
  return undefined;
}

export function membershipOf(message: Message): Membership | undefined {
  return message.content.case === 'membership' ? message.content.value : undefined;
}
