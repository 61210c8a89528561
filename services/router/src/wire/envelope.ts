import { hash } from 'node:crypto';
import { Metadata, Recipient, Sender, type Kind } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { encoded } from '@godwit/proto/kept-writer';
import type { SendCommand } from '../domain/content.js';
import type { EncodedMessage } from '../domain/ingress.js';

// Tags of godwit.message.v1.Envelope: field << 3 | 2 (length-delimited).
const FROM = 10;
const TO = 18;
const METADATA = 26;
const PAYLOAD = 34;

type Message = Omit<SendCommand, 'content' | 'retry' | 'traceparent'>;

/** What makes two messages the same whatever sent them, and whenever: kind and content. */
const contentOf = (message: Message): Uint8Array =>
  encoded((writer) => {
    Metadata.encode(metadataOf({ ...message, timestampMs: 0, clientMessageId: '' }), writer);
  });

const metadataOf = ({ timestampMs, kind, targetSeq, mediaIds, expiresAtMs, clientMessageId }: Message): Metadata => ({
  timestampMs,
  kind: kind as Kind,
  targetSeq,
  mediaIds: [...mediaIds],
  expiresAtMs,
  clientMessageId,
});

const LENGTH_BYTES = 4;

const hashOf = (message: Message): Uint8Array => {
  const content = contentOf(message);
  const hashed = Buffer.allocUnsafe(LENGTH_BYTES + content.length + message.payload.length);
  hashed.writeUInt32BE(content.length);
  hashed.set(content, LENGTH_BYTES);
  hashed.set(message.payload, LENGTH_BYTES + content.length);
  return hash('sha256', hashed, 'buffer');
};

/**
 * Encodes the envelope that every layer and every device gets; the payload goes in as it came. The hash is SHA-256 over
 * the length of the encoded kind, target, media and expiry (32 bits, big endian), these, and the payload: the same for
 * every retry, whatever its timestamp.
 */
export const encodeMessage = (message: Message): EncodedMessage => {
  const { userId, deviceId, conversationId, payload } = message;
  const envelope = encoded((writer) => {
    Sender.encode({ userId, deviceId }, writer.uint32(FROM).fork()).join();
    Recipient.encode({ conversationId }, writer.uint32(TO).fork()).join();
    Metadata.encode(metadataOf(message), writer.uint32(METADATA).fork()).join();
    writer.uint32(PAYLOAD).bytes(payload);
  });
  return { envelope, bodyHash: hashOf(message) };
};
